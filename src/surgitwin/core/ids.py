"""Identity: nodes, arrays and revisions are known by id, never by name."""

import secrets
from typing import NewType

NodeId = NewType("NodeId", str)
ArrayId = NewType("ArrayId", str)
Revision = NewType("Revision", str)


def new_node_id() -> NodeId:
    return NodeId("n" + secrets.token_hex(8))


def new_array_id() -> ArrayId:
    return ArrayId("a" + secrets.token_hex(8))


def new_revision() -> Revision:
    """A unique content token: two equal tokens mean the same content."""
    return Revision("r" + secrets.token_hex(8))
