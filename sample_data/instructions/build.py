"""Write `pairs.tsv`: pairs of sentences about small made-up situations, each with whether the second follows.

Usage, from the project's root: `python -m sample_data.instructions.build`. It writes the same file every time.

Each family draws a situation from a fixed vocabulary, says a part of it, and asks about it; the label is computed from
the situation, never written down. Half of the pairs of each family follow.
"""

import random
from collections.abc import Callable
from itertools import pairwise, permutations
from pathlib import Path

TARGET = Path(__file__).with_name("pairs.tsv")
SEED = 0
EACH = 20  # pairs of each family and label

Pair = tuple[str, str, bool]
Family = Callable[[random.Random], Pair]

PEOPLE = ["Anna", "Boris", "Clara", "David", "Elena", "Felix", "Greta", "Hugo", "Iris", "Jonas"]
OBJECTS = ["lamp", "bicycle", "guitar", "painting", "boat", "clock"]
COLOURS = ["red", "blue", "green", "yellow", "black", "white"]
THINGS = ["key", "letter", "ring", "map", "ticket", "photo"]
CONTAINERS = ["box", "drawer", "bag", "basket", "suitcase"]
ROOMS = ["kitchen", "garage", "attic", "cellar", "office"]
PLACES = ["school", "station", "park", "museum", "harbour", "market"]
FOOD = ["bread", "milk", "cheese", "rice", "honey", "tea"]
EVENTS = ["concert", "lecture", "match", "film", "meeting"]
DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"]
HOURS = ["nine", "ten", "three", "four", "seven"]
ANIMALS = ["birds", "horses", "goats", "rabbits", "ducks"]
STATES = ["asleep", "hungry", "brown", "young", "tired"]
KINDS = {
    "tree": ["oak", "pine", "birch"], "flower": ["rose", "tulip", "daisy"], "fish": ["trout", "salmon", "carp"],
    "bird": ["robin", "crow", "sparrow"], "tool": ["hammer", "saw", "drill"], "boat": ["ferry", "canoe", "raft"],
}  # fmt: skip
COMPARISONS = [("taller", "shorter"), ("older", "younger"), ("faster", "slower"), ("heavier", "lighter")]
DEEDS = [
    ("opened", "open", "the window"), ("locked", "lock", "the door"), ("read", "read", "the letter"),
    ("fed", "feed", "the cat"), ("washed", "wash", "the car"), ("found", "find", "the key"),
]  # fmt: skip


def a(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def purchase(rng: random.Random) -> Pair:
    who, food = rng.choice(PEOPLE), rng.sample(FOOD, 3)
    asked = rng.choice(FOOD)
    return f"{who} bought {food[0]}, {food[1]} and {food[2]}.", f"{who} bought {asked}.", asked in food


def containment(rng: random.Random) -> Pair:
    thing, container, room, asked = map(rng.choice, (THINGS, CONTAINERS, ROOMS, ROOMS))
    premise = f"The {thing} is in the {container}, and the {container} is in the {room}."
    return premise, f"The {thing} is in the {asked}.", asked == room


def colour(rng: random.Random) -> Pair:
    objects, colours = rng.sample(OBJECTS, 2), rng.sample(COLOURS, 2)
    asked, shade = rng.randrange(2), rng.choice(COLOURS)
    premise = f"The {objects[0]} is {colours[0]}, and the {objects[1]} is {colours[1]}."
    return premise, f"The {objects[asked]} is {shade}.", colours[asked] == shade


def company(rng: random.Random) -> Pair:
    group, place, asked = rng.sample(PEOPLE, 3), rng.choice(PLACES), rng.choice(PEOPLE)
    premise = f"{group[0]} went to the {place} with {group[1]} and {group[2]}."
    return premise, f"{asked} went to the {place}.", asked in group


def schedule(rng: random.Random) -> Pair:
    what, day, hour = rng.choice(EVENTS), rng.choice(DAYS), rng.choice(HOURS)
    other_day, other_hour = rng.choice(DAYS), rng.choice(HOURS)
    asked, holds = rng.choice(
        [(f"on {other_day}", day == other_day), (f"at {other_hour}", hour == other_hour)]
    )
    return f"The {what} is on {day} at {hour} o'clock.", f"The {what} is {asked}.", holds


def category(rng: random.Random) -> Pair:
    who, verb = rng.choice(PEOPLE), rng.choice(["drew", "saw", "photographed"])
    kind, other = rng.sample(list(KINDS), 2)
    member, sibling = rng.sample(KINDS[kind], 2)
    said = rng.choice([member, member, kind])
    word, holds = rng.choice([
        (a(kind), True), (f"no {other}", True), (f"no {kind}", False), (a(other), False),
        (a(sibling), False), (a(member), said == member),
    ])  # fmt: skip
    return f"{who} {verb} only one thing today: {a(said)}.", f"{who} {verb} {word} today.", holds


def quantity(rng: random.Random) -> Pair:
    what, state, number = rng.choice(ANIMALS), rng.choice(STATES), rng.randint(4, 9)
    follows = {"All": {"Most", "Some"}, "Most": {"Some"}, "Some": set(), "None": {"Not all"}}
    said = rng.choice(list(follows))
    asked = rng.choice([q for q in ("All", "Most", "Some", "None", "Not all") if q != said])
    if asked == "Not all" and said in ("Most", "Some"):  # is meant by many who say so, but does not follow
        asked = "None"
    premise = f"There are {number} {what} in the field. {said} of them are {state}."
    words = asked if asked == "Not all" else f"{asked} of"
    return premise, f"{words} the {what} in the field are {state}.", asked in follows[said]


def progress(rng: random.Random) -> Pair:
    what = rng.choice(EVENTS)
    said, state = rng.choice([
        ("will begin in an hour", 0), ("will begin soon", 0), ("is in full swing", 1), ("has just begun", 1),
        ("is over", 2), ("ended an hour ago", 2),
    ])  # fmt: skip
    asked, states = rng.choice([
        ("has begun", {1, 2}), ("has not begun yet", {0}), ("has ended", {2}), ("has not ended yet", {0, 1}),
        ("is going on now", {1}), ("is still to come", {0}),
    ])  # fmt: skip
    return f"The {what} {said}.", f"The {what} {asked}.", state in states


def certainty(rng: random.Random) -> Pair:
    who, (past, base, what) = rng.choice(PEOPLE), rng.choice(DEEDS)
    # Whether it may be so, and whether it may not be so.
    said, may, may_not = rng.choice([
        (f"It is certain that {who} {past} {what}.", True, False),
        (f"Nobody knows whether {who} {past} {what}.", True, True),
        (f"It is certain that {who} did not {base} {what}.", False, True),
    ])  # fmt: skip
    asked, holds = rng.choice([
        (f"{who} {past} {what}.", not may_not), (f"{who} did not {base} {what}.", not may),
        (f"It is possible that {who} {past} {what}.", may), (f"It is impossible that {who} {past} {what}.", not may),
    ])  # fmt: skip
    return said, asked, holds


def order(rng: random.Random) -> Pair:
    people = rng.sample(PEOPLE, 3)  # from the most to the least
    more, less = rng.choice(COMPARISONS)
    said = [rng.choice([f"{high} is {more} than {low}", f"{low} is {less} than {high}"])
            for high, low in pairwise(people)]  # fmt: skip
    first, second = rng.choice(list(permutations(people, 2)))
    word = rng.choice([more, less])
    holds = (people.index(first) < people.index(second)) == (word == more)
    return f"{', and '.join(said)}.", f"{first} is {word} than {second}.", holds


FAMILIES: tuple[Family, ...] = (
    purchase, containment, colour, company, schedule, category, quantity, progress, certainty, order,
)  # fmt: skip


def pairs(each: int = EACH, seed: int = SEED) -> list[Pair]:
    """`each` different pairs of every family and label, shuffled."""
    rng = random.Random(seed)
    found: list[Pair] = []
    for family in FAMILIES:
        wanted = {True: each, False: each}
        own: set[tuple[str, str]] = set()
        while any(wanted.values()):
            premise, hypothesis, holds = family(rng)
            if wanted[holds] and (premise, hypothesis) not in own:
                wanted[holds] -= 1
                own.add((premise, hypothesis))
                found.append((premise, hypothesis, holds))
    rng.shuffle(found)
    return found


def content() -> str:
    rows = [
        f"{index}\t{premise}\t{hypothesis}\t{'entailment' if holds else 'not_entailment'}"
        for index, (premise, hypothesis, holds) in enumerate(pairs())
    ]
    return "\n".join(["index\tsentence1\tsentence2\tlabel", *rows]) + "\n"


def main() -> None:
    TARGET.write_text(content(), encoding="utf-8", newline="\n")
    print(f"{TARGET.name}: {len(pairs())} pairs, {TARGET.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
