"""Faust's assignor, with a note of the topics that an assignment was made without.

Place on the data's way: before bulk.py, in whichever worker leads the group. A broker that has just started may not know its topics yet;
Faust leaves those out and says Ready, and the whole group reads nothing of them until somebody joins or leaves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from faust.assignor.partition_assignor import PartitionAssignor

if TYPE_CHECKING:
    from streams.worker.app import RewardsApp


class NotingAssignor(PartitionAssignor):
    """Assigns as Faust does; source_topics.py ends the worker where topics that are there were left out."""

    def assign(self, cluster: Any, member_metadata: Any) -> Any:  # noqa: ANN401 -- aiokafka's types
        """Return the assignment of every member."""
        subscribed = {topic for member in member_metadata.values() for topic in member.subscription}
        left_out = frozenset(topic for topic in subscribed if not cluster.partitions_for_topic(topic))
        cast("RewardsApp", self.app).source_topics.assigned_without = left_out
        return super().assign(cluster, member_metadata)
