"""Asks a broker on raw sockets and tells its answers. Arguments: bootstrap address, topic prefix.

A line of JSON for each check. The answers of two brokers are compared by whoever runs it on both.
"""

import checks_acls
import checks_configs
import checks_directories
import checks_fetch
import checks_frames
import checks_group_kinds
import checks_group_offsets
import checks_groups
import checks_metadata
import checks_offsets
import checks_produce
from wire import World

SECTIONS = [
    checks_frames.api_versions,
    checks_frames.frames,
    checks_frames.pipelined,
    checks_produce.produce_shapes,
    checks_produce.produce_batches,
    checks_produce.produce_settings,
    checks_produce.produce_acks_none,
    checks_produce.produce_internal,
    checks_produce.produce_idempotent,
    checks_produce.described_producers,
    checks_fetch.fetch_shapes,
    checks_fetch.fetch_limits,
    checks_fetch.fetch_waits,
    checks_fetch.fetch_sessions,
    checks_offsets.list_offsets,
    checks_offsets.delete_records,
    checks_offsets.leader_epochs,
    checks_metadata.metadata,
    checks_metadata.topics,
    checks_configs.configs,
    checks_acls.acls,
    checks_directories.log_dirs,
    checks_directories.reassignments,
    checks_groups.groups,
    checks_group_offsets.group_offsets,
    checks_group_kinds.group_kinds,
]


if __name__ == "__main__":
    World.main(SECTIONS)
