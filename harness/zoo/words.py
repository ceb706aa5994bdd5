"""The words of the micro-world, the frequent ones first (stdlib only, data only)."""

from __future__ import annotations

NAMES = ("Tom", "Mia", "Sam", "Anna", "Ben", "Lily", "Max", "Ella", "Jack", "Rosa", "Leo", "Nina")
PLACES = ("kitchen", "garden", "park", "school", "office", "market", "station", "library", "harbor", "barn")
OBJECTS = ("ball", "book", "kite", "lamp", "drum", "cup", "hat", "box", "clock", "ring", "coat", "doll")
COLOURS = ("red", "blue", "green", "white", "black", "yellow", "brown", "grey")
MOMENTS = (
    "Today",
    "Yesterday",
    "In the morning",
    "At noon",
    "In the evening",
    "On Monday",
    "On Sunday",
    "Last week",
    "After lunch",
    "One day",
)
FILLERS = (
    "The sky was clear.",
    "A dog was asleep near the door.",
    "The street was quiet.",
    "Some birds sang.",
    "It was a long day.",
    "The clock struck four.",
    "A bus went by.",
    "Nobody said a word.",
    "The wind was soft.",
    "There were many people in the town.",
)
NOUNS = (
    ("key", "keys"), ("cabinet", "cabinets"), ("boy", "boys"), ("dog", "dogs"),
    ("picture", "pictures"), ("child", "children"), ("teacher", "teachers"), ("box", "boxes"),
    ("man", "men"), ("woman", "women"), ("letter", "letters"), ("horse", "horses"),
    ("farmer", "farmers"), ("table", "tables"), ("mouse", "mice"), ("city", "cities"),
    ("window", "windows"), ("goose", "geese"), ("doctor", "doctors"), ("knife", "knives"),
    ("bottle", "bottles"), ("friend", "friends"), ("leaf", "leaves"), ("author", "authors"),
)  # fmt: skip
