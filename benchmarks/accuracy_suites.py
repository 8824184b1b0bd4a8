"""The suites of the accuracy benchmark: those that ship with the project, and two read from public files."""

from pathlib import Path

from gradtag_core.errors import InvalidInput
from gradtag_core.tasks.community import community_suite
from gradtag_core.tasks.registry import load_suite
from gradtag_core.tasks.snap import read_communities, read_edges, read_ego_network
from gradtag_core.tasks.suite import TaskSuite

FILES = {"amazon": ("edges.txt", "communities.txt"), "facebook": ("fb_1912.npz",)}
FOLDERS = {"amazon": "amazon", "facebook": "facebook_ego"}
LEAST_MEMBERS = 10  # of a circle: one trains, two validate


def load(name: str, data: Path, n_tasks: int | None) -> TaskSuite:
    """A suite by name; com-Amazon and ego-Facebook (1912) are read from the folder `data`, repeats left out."""
    if name not in FILES:
        suite = load_suite(name)
        return suite.select(min(n_tasks or suite.n_tasks, suite.n_tasks))
    paths = [data / FOLDERS[name] / file for file in FILES[name]]
    if missing := [str(path) for path in paths if not path.is_file()]:
        raise InvalidInput(f"`data` must hold {', '.join(missing)}; found no such file. Give its folder.")
    wanted = n_tasks or 100
    if name == "amazon":
        edges = read_edges(paths[0])
        return community_suite(edges, read_communities(paths[1], edges), wanted, distinct=True, name=name)
    edges, circles = read_ego_network(*paths)
    return community_suite(edges, circles, wanted, distinct=True, min_members=LEAST_MEMBERS, name=name)
