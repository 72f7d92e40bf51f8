"""Fetch and its sessions."""

import threading
import time

from batches import batch
from checks_produce import UNKNOWN_ID


def fetch_body(world, what, offset=0, version=11, topic_id=None, partition=0, max_partition=1 << 20, session=(0, -1), **more):
    asked = {"Partition": partition, "FetchOffset": offset, "PartitionMaxBytes": max_partition}
    for name in ("CurrentLeaderEpoch", "LastFetchedEpoch", "LogStartOffset"):
        if name in more:
            asked[name] = more.pop(name)
    topic = {"Partitions": [asked]}
    topic.update({"TopicId": topic_id} if version >= 13 else {"Topic": world.name(what)})
    body = {"ReplicaId": -1, "MaxWaitMs": 0, "MinBytes": 1, "SessionId": session[0], "SessionEpoch": session[1],
            "Topics": [topic], **more}
    if version >= 15:
        del body["ReplicaId"]
    return body


def fetch_shapes(world):
    topic_id = world.create("fetch", 3)
    for index in range(5):
        world.produce("fetch", batch(b"%d" % index, b"x" * 100))
    body = lambda **more: lambda version: fetch_body(world, "fetch", version=version, topic_id=topic_id, **more)
    world.versions("Fetch from 0", "Fetch", body())
    world.versions("Fetch from inside a batch", "Fetch", body(offset=3))
    world.versions("Fetch at the end", "Fetch", body(offset=10))
    world.versions("Fetch beyond the end", "Fetch", body(offset=11))
    world.versions("Fetch from -1", "Fetch", body(offset=-1))
    world.versions("Fetch read committed", "Fetch", body(offset=8, IsolationLevel=1))
    world.versions("Fetch of a partition that is not", "Fetch", body(partition=9))
    world.versions("Fetch of partition -1", "Fetch", body(partition=-1))
    world.versions("Fetch of a topic that is not", "Fetch", lambda version: fetch_body(
        world, "none", version=version, topic_id=UNKNOWN_ID))
    world.versions("Fetch of the id 0", "Fetch", lambda version: fetch_body(
        world, "none", version=version, topic_id="0" * 32), (13, 18))
    world.versions("Fetch of an empty partition", "Fetch", body(partition=1))
    world.versions("Fetch of an empty partition beyond its end", "Fetch", body(partition=1, offset=1))
    world.versions("Fetch with an older epoch", "Fetch", body(CurrentLeaderEpoch=-2), (9, 18))
    world.versions("Fetch with epoch 0", "Fetch", body(CurrentLeaderEpoch=0, offset=8), (9, 18))
    world.versions("Fetch with a later epoch", "Fetch", body(CurrentLeaderEpoch=5), (9, 18))
    world.versions("Fetch with the last fetched epoch 0", "Fetch", body(LastFetchedEpoch=0, offset=8), (12, 18))
    world.versions("Fetch with a later last fetched epoch", "Fetch", body(LastFetchedEpoch=3, offset=8), (12, 18))
    world.versions("Fetch with the last fetched epoch beyond the end", "Fetch", body(LastFetchedEpoch=0, offset=12), (12, 18))
    world.versions("Fetch with a last fetched epoch of an empty log", "Fetch", body(LastFetchedEpoch=0, partition=1), (12, 18))
    world.versions("Fetch of nothing", "Fetch", {"MaxWaitMs": 0, "SessionEpoch": -1}, (7, 18))
    world.versions("Fetch by a follower that is none", "Fetch", lambda version: {
        **body()(version), **({"ReplicaId": 77} if version < 15 else {"ReplicaState": {"ReplicaId": 77, "ReplicaEpoch": 1}})})
    world.versions("Fetch with a rack", "Fetch", body(offset=8, RackId="r1"), (11, 18))
    world.tell("DeleteRecords to 3 of what is fetched", world.ask("DeleteRecords", 2, delete(world, "fetch", 3)))
    world.versions("Fetch below the start", "Fetch", body(offset=2))
    world.versions("Fetch at the start", "Fetch", body(offset=3), (11, 13))
    world.versions("Fetch with the last fetched epoch below the start", "Fetch", body(LastFetchedEpoch=0, offset=1), (12, 13))


def delete(world, what, offset, partition=0):
    return {"TimeoutMs": 5000, "Topics": [{"Name": world.name(what), "Partitions": [
        {"PartitionIndex": partition, "Offset": offset}]}]}


def fetch_limits(world):
    world.create("limits", 3)
    for partition in (0, 1, 2):
        for _ in range(4):
            world.produce("limits", batch(b"x" * 1000), partition=partition)
    asked = lambda partition, size, offset=0: {"Partition": partition, "FetchOffset": offset, "PartitionMaxBytes": size}
    def tell(name, *partitions, version=11, **more):
        body = {"ReplicaId": -1, "MaxWaitMs": 0, "SessionEpoch": -1, "Topics": [
            {"Topic": world.name("limits"), "Partitions": list(partitions)}], **more}
        world.tell(f"limits: {name}", world.ask("Fetch", version, body))
    tell("less than a batch for each", asked(0, 100), asked(1, 100), asked(2, 100))
    tell("one and a half for each", asked(0, 1600), asked(1, 1600), asked(2, 1600))
    tell("less than a batch in all", asked(0, 5000), asked(1, 5000), MaxBytes=100)
    tell("one and a half in all", asked(0, 5000), asked(1, 5000), MaxBytes=1600)
    tell("five and a half in all", asked(0, 5000), asked(1, 5000), asked(2, 5000), MaxBytes=5900)
    tell("first at its end", asked(0, 100, 4), asked(1, 100), asked(2, 100))
    tell("first in error", asked(0, 100, 9), asked(1, 100), asked(2, 100))
    tell("nothing in all", asked(0, 5000), asked(1, 5000), MaxBytes=0)
    tell("nothing for each", asked(0, 0), asked(1, 0))
    tell("one partition twice", asked(0, 1600), asked(0, 1600, 1))
    tell("two topics of one name", asked(0, 100), version=4)


# What is answered before so long a wait is over was not waited for.
LONG_MS = 60_000


def fetch_waits(world):
    world.create("waits", 2)
    def timed(name, body, version=11, during=None):
        connection = world.connect()
        start = time.monotonic()
        connection.send("Fetch", version, body)
        if during:
            thread = threading.Timer(0.3, during)
            thread.start()
        answer = connection.receive()
        took = time.monotonic() - start
        if during:
            thread.join()
        limit = body["MaxWaitMs"] / 1000
        how = "before the limit" if took < limit - 0.1 else "at the limit"
        world.tell(f"waits: {name}", [how, answer])
        connection.close()
    body = lambda offset, wait, minimum, **more: fetch_body(
        world, "waits", offset, MaxWaitMs=wait, MinBytes=minimum, **more)
    timed("nothing there", body(0, 500, 1))
    timed("nothing wanted", body(0, LONG_MS, 0))
    timed("woken by a record", body(0, LONG_MS, 1), during=lambda: produce_once(world, "waits", batch(b"a")))
    timed("enough there", body(0, LONG_MS, 10))
    timed("not enough there", body(0, 600, 100000))
    timed("woken by enough", body(0, LONG_MS, 200), during=lambda: produce_once(world, "waits", batch(b"x" * 200)))
    timed("more wanted than may be", body(0, LONG_MS, 1000, MaxBytes=50))
    timed("an error does not wait", body(99, LONG_MS, 1))
    timed("no partitions", {"ReplicaId": -1, "MaxWaitMs": LONG_MS, "MinBytes": 1, "SessionEpoch": -1, "Topics": []})
    timed("a negative wait", body(2, -5, 1))
    timed("read committed, woken", body(2, LONG_MS, 1, IsolationLevel=1), during=lambda: produce_once(world, "waits", batch(b"b")))


def produce_once(world, what, records):
    connection = world.connect()
    connection.ask("Produce", 9, world.produce_body(what, records))
    connection.close()


def fetch_sessions(world):
    ids = [world.create("session-a", 2), world.create("session-b", 1)]
    world.produce("session-a", batch(b"a"))
    for version in (11, 17):
        tell_session(world, version, ids)
    for version in (7, 13):
        for name, session in {
            "an unknown one": (123456, 1), "an unknown one, ended": (123456, -1), "an unknown one, begun anew": (123456, 0),
            "id 0, epoch 1": (0, 1), "id 0, epoch -5": (0, -5), "an unknown one, epoch -5": (123456, -5),
        }.items():
            body = fetch_body(world, "session-b", version=version, topic_id=ids[1], session=session)
            answer = world.ask("Fetch", version, body)
            world.tell(f"session v{version}: {name}", session_told(answer))
    # Of an empty request no session is made.
    world.tell("session: of nothing", session_told(world.ask("Fetch", 11, {"ReplicaId": -1, "SessionEpoch": 0})))


def session_told(answer):
    """The answer with its session's id replaced by whether there is one."""
    if isinstance(answer, dict):
        answer["SessionId"] = "new" if answer.get("SessionId", 0) else "none"
    return answer


def tell_session(world, version, ids):
    name = {"session-a": ids[0], "session-b": ids[1]}
    def topic(what, *partitions):
        key = {"TopicId": name[what]} if version >= 13 else {"Topic": world.name(what)}
        return {**key, "Partitions": list(partitions)}
    def part(partition, offset, **more):
        return {"Partition": partition, "FetchOffset": offset, "PartitionMaxBytes": 1 << 20, **more}
    def ask(session, epoch, topics=(), forget=(), asked_version=version, **more):
        body = {"MaxWaitMs": 0, "MinBytes": 1, "SessionId": session, "SessionEpoch": epoch, "Topics": list(topics),
                "ForgottenTopicsData": list(forget), **more}
        return world.ask("Fetch", asked_version, body)
    answer = ask(0, 0, [topic("session-a", part(0, 0), part(1, 0)), topic("session-b", part(0, 0))])
    session = answer["SessionId"]
    told = lambda what, answer: world.tell(
        f"session v{version}: {what}", {**answer, "SessionId": {session: "same", 0: "none"}.get(answer.get("SessionId", 0), "other")})
    told("begin", answer)
    told("records again", ask(session, 1))
    told("go on behind them", ask(session, 2, [topic("session-a", part(0, 1 if version == 11 else 3))]))
    world.produce("session-b", batch(b"b"))
    told("another has records", ask(session, 3))
    told("go on behind those too", ask(session, 4, [topic("session-b", part(0, 1 if version == 11 else 2))]))
    told("nothing new", ask(session, 5))
    told("seek back", ask(session, 6, [topic("session-a", part(0, 0))]))
    told("seek beyond the end", ask(session, 7, [topic("session-a", part(0, 100))]))
    told("still beyond the end", ask(session, 8))
    told("and back", ask(session, 9, [topic("session-a", part(0, 1 if version == 11 else 3))]))
    told("the wrong epoch", ask(session, 9))
    told("forget one", ask(session, 10, forget=[topic("session-b", 0)]))
    world.produce("session-b", batch(b"b"))
    told("the forgotten one is not told", ask(session, 11))
    told("added again", ask(session, 12, [topic("session-b", part(0, 0))]))
    told("a partition that is not", ask(session, 13, [topic("session-b", part(5, 0))]))
    told("still not", ask(session, 14))
    world.produce("session-a", batch(b"c", b"d"), partition=0)
    told("those with records are told last", ask(session, 15))
    told("and in that order", ask(session, 16))
    told("forget and add in one", ask(session, 17, [topic("session-a", part(0, 0))], [topic("session-a", 0)]))
    told("forget what was never there", ask(session, 18, forget=[topic("session-a", 44)]))
    told("read committed from here", ask(session, 19, [], IsolationLevel=1))
    if version < 13:
        told("by id in a session by name", ask(session, 20, asked_version=13))
    else:
        told("by name in a session by id", ask(session, 20, asked_version=12))
    told("the epoch goes on", ask(session, 20))
    told("forget all", ask(session, 21, forget=[topic("session-a", 0, 1), topic("session-b", 0, 5)]))
    told("after all was forgotten", ask(session, 22))
    answer = ask(0, 0, [topic("session-a", part(1, 0))])
    session = answer["SessionId"]
    told("another", answer)
    told("end it and ask for all", ask(session, -1, [topic("session-a", part(1, 0))]))
    told("ended", ask(session, 1))
