"""What texts.py does: it has to do so afterwards as well."""

import unittest

import texts


class Texts(unittest.TestCase):
    def test_wrap(self):
        self.assertEqual(texts.wrap("one two three", 7), ["one two", "three"])
        self.assertEqual(texts.wrap("x" * 100, 10), ["x" * 72, "x" * 28])
        self.assertEqual(texts.wrap("x" * 100), ["", "x" * 100])

    def test_count(self):
        self.assertEqual(texts.count("A b a"), {"a": 2, "b": 1})

    def test_widths(self):
        found = texts.widths(["", "x" * 80 + "\nshort", "#" * 80, "y" * 73])
        self.assertEqual([*found], [80, 73])

    def test_kind(self):
        self.assertEqual([*map(texts.kind, (404, 404.0, 5, "x"))], ["missing", "missing", "5", "x"])

    def test_names_that_others_use_are_there(self):
        self.assertIsNotNone(texts.Dict)
        self.assertIsNotNone(texts.string)
