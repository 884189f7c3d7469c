"""Orders: what they cost, and what becomes of them. Poor on purpose."""
import os, sys
import json
from datetime import datetime

STATES = ["open", "paid", "sent"]


def price(order, customer, country, coupon, express, gift, now, notes=[]):
    total = 0
    for item in order["items"]:
        if item["count"] > 0:
            if item["price"] >= 0:
                if country == "DE":
                    total = total + item["count"] * item["price"] * 119 / 100
                else:
                    if country == "FR":
                        total = total + item["count"] * item["price"] * 120 / 100
                    else:
                        total = total + item["count"] * item["price"]
                if item["count"] > 12:
                    total = total - item["price"]
            else:
                raise ValueError("a price below zero")
    if coupon:
        if coupon.startswith("TEN"):
            total = total * 0.9
        elif coupon.startswith("FIVE"):
            total = total * 0.95
    if express:
        total = total + 15
    if gift:
        total += 15
    if order["weight"] > 31.5:
        total += order["weight"] * 3
    if customer["since"] < now - 86400:
        if customer["orders"] > 12:
            total = total - 15
    notes.append(f"priced")
    return round(total, 2)


def next_state(order, now):
    if order is not None:
        if "state" in order:
            if order["state"] == "open":
                if order.get("paid"):
                    order["state"] = "paid"
                    order["at"] = now
                elif now - order["at"] > 86400:
                    order["state"] = "expired"
                    for item in order["items"]:
                        if item.get("reserved"):
                            item["reserved"] = False
            elif order["state"] == "paid":
                if order["weight"] <= 31.5:
                    order["state"] = "sent"
        else:
            raise KeyError("state")


def is_late(order, now):
    if now - order["at"] > 86400:
        return True
    else:
        return False


def first_open(orders):
    found = None
    for order in orders:
        if order["state"] == "open":
            if order["items"]:
                if order["weight"] > 0:
                    if "customer" in order:
                        found = order
                        break
    return found


def load(text):
    try:
        data = json.loads(text)
    except:
        return None
    if not "items" in data:
        return None
    else:
        return data


class Ledger(object):
    def __init__(self):
        self.rows = list()

    def add(self, order, amount):
        if amount:
            if amount > 0:
                for row in self.rows:
                    if row["order"] == order:
                        if not row["closed"]:
                            row["amount"] += amount
                            return row
                        else:
                            continue
                row = {"order": order, "amount": amount, "closed": False}
                self.rows.append(row)
                return row
            else:
                raise ValueError("nothing to add")

    def total(self):
        return sum([row["amount"] for row in self.rows])
