"""Parses expositions with prometheus_client. Each input line is a JSON request: {"format": "text" or "open", "body": "..."}.

Each output line is the response: {"samples": [[name, labels, value, exemplar], ...]} with values as Python writes floats, or
{"error": "..."}. The exemplar is null or [labels, value, timestamp]. The response to {"format": "floats", "body": ["1.0", ...]} is {"floats": ["1.0", ...]}, formatted as the library
formats numbers in its expositions.
"""

import json
import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as text
from prometheus_client.utils import floatToGoString


def read_exemplar(exemplar):
    return exemplar and [exemplar.labels, repr(float(exemplar.value)), repr(float(exemplar.timestamp))]


for line in sys.stdin:
    request = json.loads(line)
    if request["format"] == "floats":
        print(json.dumps({"floats": [floatToGoString(float(value)) for value in request["body"]]}), flush=True)
        continue
    parse = {"text": text, "open": open_metrics}[request["format"]]
    try:
        samples = [
            [sample.name, sample.labels, repr(float(sample.value)), read_exemplar(sample.exemplar)]
            for family in parse(request["body"])
            for sample in family.samples
        ]
        answer = {"samples": samples}
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
