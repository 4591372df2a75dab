# Runs one hostile program ($1) and holds still afterwards, so that it can be observed.
say() { printf '@%s %s\n' "$1" "$2"; }
attempt() { # what, command...
    local what=$1 told
    shift
    if told=$("$@" 2>&1); then say OK "$what"; else say refused "$what: ${told:0:160}"; fi
    case $told in *c6-secret*) printf '%s\n' "$told" ;; esac
}
hold() {
    printf '\n@held\n'
    exec sleep 120
}
. "$1"
hold
