# Sourced by the scripts here that have mmdebstrap unpack Debian: what of the machine's
# apt it has to know, as it does not read that itself.
# shellcheck shell=sh

# One line per apt option that reaching the mirror depends on.
apt_options() {
    apt-config dump | sed -n -E '/^Acquire::(https?|ftp)::/p;/^Acquire::(Retries|Check-Valid-Until|ForceIPv[46]) /p'
}

# The mirror this machine uses for Debian, as its apt knows it.
mirror() {
    apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
        sed -n 's/^Debian //p' | head -n 1
}

# The same before the first `apt-get update`, when no label is known yet.
mirror_by_name() {
    apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
        grep -E '/debian/?$' | head -n 1
}

# The apt source of a suite; nothing where no mirror is known, as on Ubuntu: then
# mmdebstrap goes to the one it is built with.
source_of() {
    uri=$(mirror)
    [ -n "$uri" ] || uri=$(mirror_by_name) || :
    echo "${uri:+deb $uri $1 main}"
}
