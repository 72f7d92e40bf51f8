"""What a broker and a controller answer about the metadata log, the features and elections, on a broker of its own:
features are really changed. `suite_quorum.py HOST:PORT PREFIX`; the controller listens on the next port."""

import checks_cordoned
import checks_quorum
from wire import World

SECTIONS = [
    checks_quorum.quorum,
    checks_quorum.elections,
    checks_quorum.refused_features,
    checks_quorum.changed_features,
    checks_quorum.controller,
    checks_cordoned.cordoned,
]


if __name__ == "__main__":
    World.main(SECTIONS, suite="wire-quorum")
