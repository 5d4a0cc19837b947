"""keep.py ADDRESS PORT: one HTTP connection, kept open; a request at the start, another for each line of input.

Prints a line for each: the answer, or the name of the error, which ends it.
"""
import http.client
import os
import sys

connection = http.client.HTTPConnection(sys.argv[1], int(sys.argv[2]), timeout=10 * float(os.environ.get("TEST_PACE", "1")))
connection.auto_open = False
try:
    connection.connect()
    while True:
        connection.request("GET", "/")
        print(connection.getresponse().read().decode().strip(), flush=True)
        if sys.stdin.readline() == "":
            break
except OSError as error:
    print(type(error).__name__, flush=True)
