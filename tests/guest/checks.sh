#!/bin/bash
# Limits under cgroup v2. Run by scripts/test inside the guest, from a directory with the programs palisade and hostile.
#
# In: root, delegated or undelegated. Out: one line for each check, a count, and 0 if all of them hold.
set -uo pipefail
role=$1
here=$(dirname "$(realpath "$0")")
palisade=$here/palisade
hostile=$here/hostile
place=$(mktemp -d)
chmod 777 "$place"
report=$place/report passed=0 failed=0
trap 'rm -rf "$place"' EXIT

ok() {
    passed=$((passed + 1))
    echo "ok    $role: $1"
}

bad() {
    failed=$((failed + 1))
    echo "FAIL  $role: $1"
    shift
    printf '      %s\n' "$@"
}

# run STATUS OPTION… -- COMMAND…: the report is in $report.
run() {
    local wanted=$1 status=0
    shift
    "$palisade" run --json "$@" >"$report" 2>"$report.err" </dev/null || status=$?
    [[ $status = "$wanted" ]] && return
    bad "exit status of: $*" "$status instead of $wanted" "$(head -c 2000 "$report" "$report.err")"
    return 1
}

# says NAME PATTERN…: every pattern is in the last report.
says() {
    local name=$1 pattern
    shift
    for pattern; do
        if ! grep -qF -- "$pattern" "$report"; then
            bad "$name" "not in the report: $pattern" "$(grep -E 'kind|"limit"|evidence|weakened|because' "$report")"
            return
        fi
    done
    ok "$name"
}

# limit NAME EVIDENCE OPTION… -- COMMAND…
limit() {
    local name=$1 evidence=$2 status=137
    shift 2
    case $name in *-time) status=124 ;; esac
    run "$status" "$@" && says "$name limit, by $evidence" "\"limit\": \"$name\"" "$evidence"
}

wait_until() {
    local n
    for ((n = 0; n < 100; n++)); do
        "$@" && return
        sleep 0.1
    done
    return 1
}

groups() { find /sys/fs/cgroup -type d -name 'palisade-*' 2>/dev/null; }
no_groups() { [[ -z $(groups) ]]; }
processes() { pgrep -ax palisade || pgrep -ax hostile; }
no_processes() { ! processes >/dev/null; }

run 0 -- id -u && says "the program is an ordinary user" '"stdout": "1000\n"'
if [[ $role = undelegated ]]; then
    says "what is weaker is named" '"what": "memory"' '"what": "threads"' '"what": "cpu-time"'
    memory='sum over /proc' cpu='sum over /proc'
    run 125 --strict -- true && ok "--strict refuses"
    # The kernel refuses the thread and tells nobody, so the program goes on.
    run 10 --thread-limit 8 --allow-read "$hostile" -- "$hostile" thread-bomb 50 && says "threads are refused" BLOCKED
else
    says "nothing is weaker" '"weakened": []' '"by": "cgroup v2, rlimits"'
    memory='memory.events: oom_kill' cpu="the cgroup's own account (v2)"
    run 0 --strict -- true && ok "--strict is satisfied"
    # Whoever helped to set it up is not counted.
    run 0 --thread-limit 1 --process-limit 1 -- true && says "one thread is enough for one" '"threads_peak": 1' '"processes_peak": 1'
    limit threads 'pids.events: max (cgroup v2)' --thread-limit 8 --allow-read "$hostile" -- "$hostile" thread-bomb 50
fi
limit memory "$memory" --memory-limit 64M --allow-read "$hostile" -- "$hostile" memory 400
limit memory "$memory" --memory-limit 64M --allow-read "$hostile" -- "$hostile" memory-many 30 8
limit cpu-time "$cpu" --cpu-time-limit 1s --time-limit 60s --allow-read "$hostile" -- "$hostile" cpu-burn 2 50
limit processes 'the sandbox'\''s own /proc' --process-limit 4 -- sh -c 'for i in 1 2 3 4 5 6 7 8; do sleep 60 & done; wait'
limit wall-time "the supervisor's monotonic clock" --time-limit 1s -- sleep 60

# What leaves the session writes a file later: outside it does, inside it is dead by then.
"$hostile" escape-session "$place/outside" 300 >/dev/null
if wait_until test -e "$place/outside"; then
    mkdir -m 777 "$place/given"
    run 0 --allow-read "$hostile" --allow-write "$place/given" -- "$hostile" escape-session "$place/given/inside" 300
    sleep 3
    if [[ -e $place/given/inside ]]; then bad "an escaped session ends"; else ok "an escaped session ends"; fi
else
    bad "an escaped session ends" "not even outside did it write its file"
fi

# palisade is killed: the program dies with it, and the next run removes the group.
"$palisade" run -- sleep 4321 >/dev/null 2>&1 &
victim=$!
if wait_until pgrep -f 'sleep 432[1]' >/dev/null; then
    kill -KILL "$victim"
    wait "$victim" 2>/dev/null
    if wait_until eval '! pgrep -f "sleep 432[1]" >/dev/null'; then ok "the program dies with palisade"; else
        bad "the program dies with palisade" "$(pgrep -af 'sleep 432')"
    fi
else
    bad "the program dies with palisade" "it did not start"
fi
run 0 -- true
if wait_until no_groups; then ok "no cgroup is left"; else bad "no cgroup is left" "$(groups)"; fi
if wait_until no_processes; then ok "no process is left"; else bad "no process is left" "$(processes)"; fi

echo "$role: $passed passed, $failed failed"
((failed == 0))
