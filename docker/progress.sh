# Sourced by the scripts here: lines about the progress, on standard error.
# The script sets `what`, the word before each line, and `log`, a file.
# shellcheck shell=sh

say() { echo "$what: $*" >&2; }
fail() { say "$*" && exit 1; }

# Runs a command, its output in the log, and shows every three seconds how it goes.
# Returns the command's status.
watched() {
    "$@" </dev/null >>"$log" 2>&1 9>&- &
    job=$!
    seconds=0
    while kill -0 "$job" 2>/dev/null; do
        sleep 1
        seconds=$((seconds + 1))
        [ $((seconds % 3)) -ne 0 ] || say "  $seconds s: $(tail -n 1 "$log" | cut -c 1-90)"
    done
    status=0
    wait "$job" || status=$?
    job=
    return $status
}

# Ends what `watched` runs: for the trap of a script that is interrupted.
interrupted() {
    [ -z "${job:-}" ] || kill "$job" 2>/dev/null || :
    exit 1
}

# Whether the log speaks of a network that does not work.
no_network() {
    grep -q -i -E 'could not resolve|temporary failure|could not connect|unable to connect|connection (timed out|refused|failed|broken)|network is unreachable|failed to establish|max retries|read timed out' "$log"
}

# What the log says went wrong: its last line that speaks of an error, or its last.
trouble() {
    grep -E '^ *([A-Za-z]+Error|ERROR|E): ' "$log" | tail -n 1 | grep . ||
        grep . "$log" | tail -n 1
}
