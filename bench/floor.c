/*
 * The floor of this kind of work: a row trigger that compares two images, writes a small JSON object and notifies one
 * channel.  No subscriptions, no log, no cursors.  The first column is taken for the key.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "commands/async.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/datum.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(notify_floor);

static void
append_value(StringInfo json, Form_pg_attribute column, Datum value)
{
	Oid			output;
	bool		is_varlena;

	getTypeOutputInfo(column->atttypid, &output, &is_varlena);
	escape_json(json, OidOutputFunctionCall(output, value));
}

static void
append_column(StringInfo json, Form_pg_attribute column, Datum value, bool is_null)
{
	if (json->data[json->len - 1] != '{')
		appendStringInfoChar(json, ',');
	escape_json(json, NameStr(column->attname));
	appendStringInfoChar(json, ':');
	if (is_null)
		appendStringInfoString(json, "null");
	else
		append_value(json, column, value);
}

Datum
notify_floor(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	TupleDesc	columns;
	HeapTuple	old = NULL;
	HeapTuple	new = NULL;
	HeapTuple	row;
	StringInfoData json;
	Datum		key;
	bool		is_null;
	bool		differs = false;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_AFTER(trigger->tg_event) || !TRIGGER_FIRED_FOR_ROW(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("notify_floor: must be fired after each row")));

	if (TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		new = trigger->tg_trigtuple;
	else
		old = trigger->tg_trigtuple;
	if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
		new = trigger->tg_newtuple;
	row = new ? new : old;
	columns = RelationGetDescr(trigger->tg_relation);

	initStringInfo(&json);
	appendStringInfoString(&json, "{\"relation\":");
	escape_json(&json, RelationGetRelationName(trigger->tg_relation));
	appendStringInfoString(&json, ",\"key\":");
	key = heap_getattr(row, 1, columns, &is_null);
	if (is_null)
		appendStringInfoString(&json, "null");
	else
		append_value(&json, TupleDescAttr(columns, 0), key);

	if (new)
	{
		appendStringInfoString(&json, old ? ",\"update\":{" : ",\"insert\":{");
		for (int number = 1; number <= columns->natts; number++)
		{
			Form_pg_attribute column = TupleDescAttr(columns, number - 1);
			Datum		value = heap_getattr(new, number, columns, &is_null);

			if (column->attisdropped)
				continue;
			if (old)
			{
				bool		was_null;
				Datum		before = heap_getattr(old, number, columns, &was_null);

				if (is_null == was_null &&
					(is_null || datum_image_eq(before, value, column->attbyval, column->attlen)))
					continue;
			}
			append_column(&json, column, value, is_null);
			differs = true;
		}
		appendStringInfoChar(&json, '}');
	}
	appendStringInfoChar(&json, '}');

	/* What is longer than a notification may be is not for a benchmark. */
	if (differs || !new)
		Async_Notify("floor", json.data);
	return PointerGetDatum(NULL);
}
