"""docs/event.schema.json says yes to what the README promises, and no to what is nearly that."""

import copy
import json

import jsonschema
import pytest

from wire import parse, row_id

CURSOR = "0123456789abcdef" * 3 + "01"
AT = "2026-01-01T00:00:00.000000Z"
SUBSCRIPTION = "00000000-0000-4000-8000-000000000000"
FLAT = {"relation": "public.person", "key": {"id": 3}, "at": AT, "cursor": CURSOR}
FULL = {**FLAT, "subscription_type": "table", "row_id": row_id("3"), "xid": "556"}
ABOUT_RELATION = {"relation": 'public."Order"', "subscription_id": SUBSCRIPTION, "at": AT, "cursor": CURSOR}

VALID = {
    "insert": {**FULL, "type": "row_insert", "operation": "insert", "payload": {"id": 3, "name": None}, "last": True},
    "update": {**FULL, "type": "field_update", "operation": "update", "column": "score", "payload": {"score": 19}},
    "delete": {**FULL, "type": "row_delete", "operation": "delete"},
    "compact": {**FLAT, "type": "field_update", "column": "score", "payload": {"score": None}},
    "truncated": {**FULL, "type": "row_insert", "operation": "insert", "truncated": True},
    "unrenderable": {**FULL, "type": "row_insert", "operation": "insert", "payload": {"id": 3}, "unrenderable": ["v"]},
    "unrenderable field": {**FLAT, "type": "field_update", "column": "v", "payload": {}, "unrenderable": ["v"]},
    "compound": {**FULL, "type": "row_delete", "operation": "delete", "key": {"b": "x", "a": 1},
                 "row_id": {"schema_name": "s", "relation_name": "r", "pk_column_names": ["b", "a"], "pk_values": ["x", "1"]}},
    "nudge": {"type": "nudge", "cursor": CURSOR, "count": 2},
    "truncate": {**ABOUT_RELATION, "type": "truncate"},
    "relation_gone": {**ABOUT_RELATION, "type": "relation_gone", "last": True},
    "overflow": {"type": "overflow", "at": AT, "cursor": CURSOR, "resume": CURSOR},
}


def check(event: dict) -> None:
    parse(json.dumps(event))


@pytest.mark.parametrize("name", VALID)
def test_valid(name):
    check(VALID[name])
    # Later versions may add keys.
    check({**VALID[name], "later": {"x": 1}})


def without(name: str, key: str) -> dict:
    event = copy.deepcopy(VALID[name])
    del event[key]
    return event


def having(name: str, **changes) -> dict:
    return {**copy.deepcopy(VALID[name]), **changes}


INVALID = [
    *[without("insert", key) for key in FULL],
    without("insert", "payload"), without("insert", "operation"), without("update", "column"), without("compact", "at"),
    without("unrenderable", "payload"), without("truncated", "truncated"), without("nudge", "cursor"),
    without("overflow", "resume"), without("truncate", "subscription_id"),
    having("insert", type="insert"), having("insert", cursor=CURSOR.upper()), having("insert", cursor=CURSOR[1:]),
    having("insert", at="2026-01-01T00:00:00Z"), having("insert", at="2026-01-01T00:00:00.000000+00:00"),
    having("insert", last=False), having("insert", xid=556), having("insert", key={}), having("insert", key={"id": None}),
    having("insert", truncated=True), having("insert", relation="person"), having("insert", relation="public.Order"),
    having("insert", unrenderable=[]), having("insert", column="id"), having("insert", subscription_type="row"),
    having("insert", row_id={"pk_value": "3"}), having("insert", row_id=row_id(3)),
    having("update", payload={"score": 1, "name": "x"}), having("update", payload={}), having("update", operation="insert"),
    having("unrenderable field", payload={"v": 1}), having("unrenderable field", unrenderable=["v", "w"]),
    having("delete", payload={}), having("delete", truncated=True), having("compact", xid="556"),
    having("nudge", count=0), having("nudge", payload={}), having("nudge", key={"id": 1}),
]


@pytest.mark.parametrize("event", INVALID, ids=range(len(INVALID)))
def test_invalid(event):
    with pytest.raises(jsonschema.ValidationError):
        check(event)
