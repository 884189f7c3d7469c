"""What orders.py does: it has to do so afterwards as well."""

import unittest

from orders import Ledger, first_open, is_late, load, next_state, price


def order(**said):
    items = [{"count": 2, "price": 5.0}, {"count": 13, "price": 1.0}, {"count": 0, "price": 9}]
    return {"items": items, "weight": 5, "state": "open", "at": 0, **said}


class Orders(unittest.TestCase):
    def test_price(self):
        old, new = {"since": 0, "orders": 13}, {"since": 99_999, "orders": 0}
        found = [
            price(order(weight=weight), customer, country, coupon, express, gift, 90_000)
            for weight in (5, 32)
            for customer in (old, new)
            for country in ("DE", "FR", "IT")
            for coupon in ("", "TEN", "FIVE", "NONE")
            for express in (True, False)
            for gift in (True, False)
        ]
        self.assertEqual(len(found), 192)
        self.assertEqual(round(sum(found), 2), 15274.08)
        broken = order(items=[{"count": 1, "price": -1}])
        self.assertRaises(ValueError, price, broken, old, "DE", "", False, False, 0)

    def test_next_state(self):
        self.assertIsNone(next_state(None, 0))
        self.assertRaises(KeyError, next_state, {}, 0)
        states = {"paid": order(paid=True), "open": order(), "expired": order(at=-1)}
        states["sent"], light = order(state="paid"), order(state="paid", weight=40)
        for expected, each in states.items():
            self.assertIsNone(next_state(each, 86_400))
            self.assertEqual(each["state"], expected)
        next_state(light, 0)
        self.assertEqual(light["state"], "paid")
        reserved = order(at=-1, items=[{"reserved": True}, {}])
        next_state(reserved, 86_400)
        self.assertEqual(reserved["items"], [{"reserved": False}, {}])

    def test_the_rest(self):
        self.assertEqual([is_late(order(), each) for each in (86_400, 86_401)], [False, True])
        orders = [order(state="paid"), order(items=[]), order(), order(customer=1, n=1)]
        self.assertEqual(first_open([*orders, order(customer=2)]), orders[-1])
        self.assertIsNone(first_open([]))
        self.assertEqual([load("{"), load("{}"), load('{"items": []}')], [None, None, {"items": []}])

    def test_ledger(self):
        ledger = Ledger()
        self.assertIsNone(ledger.add("a", 0))
        self.assertRaises(ValueError, ledger.add, "a", -1)
        first = ledger.add("a", 5)
        self.assertIs(ledger.add("a", 2), first)
        first["closed"] = True
        self.assertIsNot(ledger.add("a", 1), first)
        self.assertEqual(ledger.total(), 8)
