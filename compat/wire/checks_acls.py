"""ACLs, which a broker without an authorizer refuses."""

RULE = {"ResourceType": 2, "ResourceName": "t", "ResourcePatternType": 3, "Principal": "User:a", "Host": "*", "Operation": 3, "PermissionType": 3}
FILTER = {"ResourceTypeFilter": 1, "ResourceNameFilter": None, "PatternTypeFilter": 1, "PrincipalFilter": None, "HostFilter": None, "Operation": 1, "PermissionType": 1}

# The numbers of both, the largest of each that stands for something.
NUMBERS = {("ResourceType", "ResourceTypeFilter"): 7, ("ResourcePatternType", "PatternTypeFilter"): 4, ("Operation",): 15, ("PermissionType",): 3}


def acls(world):
    asks = {
        "DescribeAcls": (FILTER, lambda filter: filter),
        "CreateAcls": (RULE, lambda rule: {"Creations": [rule, rule]}),
        "DeleteAcls": (FILTER, lambda filter: {"Filters": [filter, filter]}),
    }
    for api, (fields, body) in asks.items():
        for version in (1, 2, 3):
            world.tell(f"{api} {version}", world.ask(api, version, body(fields)))
        for names, largest in NUMBERS.items():
            name = next(name for name in names if name in fields)
            for value in (-1, 0, 1, largest, largest + 1):
                world.tell(f"{api} with {name} {value}", world.ask(api, 3, body({**fields, name: value})))
    world.tell("CreateAcls of none", world.ask("CreateAcls", 3, {"Creations": []}))
    world.tell("DeleteAcls of none", world.ask("DeleteAcls", 3, {"Filters": []}))
