"""What a broker and a controller answer about the metadata log, the features and elections, on a broker of its own:
features are really changed. `suite_quorum.py HOST:PORT PREFIX`; the controller listens on the next port."""

import sys

import checks_quorum
from wire import World

SECTIONS = [
    checks_quorum.quorum,
    checks_quorum.elections,
    checks_quorum.refused_features,
    checks_quorum.changed_features,
    checks_quorum.controller,
]


def main():
    world = World(sys.argv[1], sys.argv[2], suite="wire-quorum")
    cluster = world.ask("DescribeCluster", 0)
    world.call(cluster["ClusterId"], "CLUSTER")
    for section in SECTIONS:
        world.run(section)
    return 1 if world.failed else 0


if __name__ == "__main__":
    sys.exit(main())
