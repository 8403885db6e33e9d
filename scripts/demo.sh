#!/bin/sh
# demo.sh: starts examples/contended.py, attaches to it by pid for five seconds, prints what was found.
# Knobs: GILSCOPE (the program), PYTHON (an interpreter), SECONDS_TO_RECORD.
set -eu
cd "$(dirname "$0")/.."
gilscope=${GILSCOPE:-build/release/gilscope}
seconds=${SECONDS_TO_RECORD:-5}

find_python() {
	for candidate in ${PYTHON:+"$PYTHON"} /usr/bin/python3 python3 /usr/local/bin/python3 "$HOME"/.pyenv/versions/*/bin/python3; do
		if command -v "$candidate" >/dev/null && "$candidate" -c 'import json, socket, threading' 2>/dev/null; then
			command -v "$candidate"
			return
		fi
	done
	echo 'demo: could not find a python3: none in /usr/bin or PATH' >&2
	echo 'hint: Name one: make demo PYTHON=/path/to/python3' >&2
	return 1
}

python=$(find_python)
dir=$(mktemp -d)
recording=build/demo.gilscope
trap 'kill "$pid" 2>/dev/null || :; rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM
pid=
echo "\$ $python examples/contended.py &"
"$python" examples/contended.py >"$dir/out" &
pid=$!
# Its threads are there once it has said so.
tries=100
until [ -s "$dir/out" ] || [ "$tries" -eq 0 ]; do
	kill -0 "$pid" 2>/dev/null || { echo 'demo: the example ended early' >&2; exit 1; }
	sleep 0.05
	tries=$((tries - 1))
done
sleep 0.5

[ "$(id -u)" -eq 0 ] && sudo= || sudo=sudo
echo "\$ ${sudo:+sudo }gilscope record -p $pid -d ${seconds}s -o $recording --force"
$sudo "$gilscope" record -p "$pid" -d "${seconds}s" -o "$recording" --force
echo
echo "\$ gilscope report $recording"
"$gilscope" report "$recording"
echo
echo "\$ gilscope report $recording -o build/demo.html"
"$gilscope" report "$recording" -o build/demo.html
echo 'The page is in build/demo.html: open it with any browser.'
