package tests

// ranged is a run that needs a range of ids.
const ranged = "sandbox run --userns auto --require idmap.range -- true"

// idCodes are about users, groups and capabilities.
var idCodes = []cause{
	withAnn("SBX-IDMAP-NO-RANGE", ": >$home/etc/subuid\nann "+ranged, "/etc/subuid has no range for .ann. .uid 4242").fixedBy(`
sh -c "$(fix usermod | sed s/sudo//)"
ann ` + ranged + `
: >$home/etc/subuid
ann sandbox run $(fix userns= | cut -d' ' -f1) -- true`),
	withAnn("SBX-IDMAP-RANGE", `
ann sandbox spec --rootless
jq '.root.path = "r" | .linux.uidMappings[0].hostID = 1 | .linux.uidMappings[0].size = 5' $home/project/config.json >config.json
cp config.json $home/project/config.json
ann sandbox run -b . x`, "gives 700000-765535 to .ann").fixedBy(`
no usermod
rm $home/project/config.json
fix 'sandbox spec --rootless'
ann sandbox spec --rootless
jq '.root.path = "r" | .process.args = ["true"] | .process.terminal = false' $home/project/config.json >config.json
cp config.json $home/project/config.json
ann sandbox run -b . x`),
	withAnn("SBX-IDMAP-NO-HELPER", `
p=$(readlink -f $(command -v newuidmap))
mkdir $home/up $home/work; mknod $home/up/newuidmap c 0 0; mknod $home/up/newgidmap c 0 0
mount -t overlay -o lowerdir=${p%/*},upperdir=$home/up,workdir=$home/work none ${p%/*}
ann `+ranged, "newuidmap is in none of"),
	withAnn("SBX-IDMAP-HELPER", `
p=$(readlink -f $(command -v newuidmap))
cp $p newuidmap; chmod 755 newuidmap; mount --bind newuidmap $p
ann `+ranged, "newuidmap has mode 0755, owner 0 and no file capability"),
	withAnn("SBX-IDMAP-NO-NEW-PRIVS", "as=--no-new-privs ann "+ranged, "NoNewPrivs is 1"),
	withAnn("SBX-IDMAP-BOUNDING", "as='--bounding-set -setuid' ann "+ranged, "CAP_SETUID is not in CapBnd"),
	withAnn("SBX-IDMAP-NOSUID", `
p=$(readlink -f $(command -v newuidmap))
mount --bind $p $p; mount -o remount,bind,nosuid $p
ann `+ranged, "newuidmap is on a nosuid mount").fixedBy(`
sh -c "$(fix remount | sed 's/sudo//; s/, or install.*//')"
ann ` + ranged),
	{code: "SBX-IDMAP-OUTSIDE", in: nested, do: "bundled '.linux.uidMappings[0].hostID = 700000'", says: "uid_map has no uid 700000-700000", typed: `
no usermod
fix 'sandbox spec --rootless'
bundled .`},
	{code: "SBX-IDMAP-OUTSIDE", in: nested, says: "uid_map has no uid 5-5", do: `
m='[{containerID: 0, hostID: 5, size: 1}]'
bundled '.mounts += [{destination: "/m", source: "/etc", options: ["rbind", "ridmap"], uidMappings: '"$m"', gidMappings: '"$m"'}]'`},
	withAnn("SBX-IDMAP-NO-NAME", "echo root:x:0:0::/: >$home/etc/passwd; sed -i s/ann/4242/ $home/etc/sub?id\nann "+ranged, "uid 4242 has no passwd entry").fixedBy(`
no usermod
ann sandbox run $(fix userns= | cut -d' ' -f1) -- true
sh -c "$(fix passwd | sed 's/^[^:]*: //')"
ann ` + ranged),
	withAnn("SBX-IDMAP-NO-RANGE", ": >$home/etc/subuid\nann sandbox run --userns auto --user 77 ./r true", "/etc/subuid has no range for .ann").fixedBy(`
no userns.auto
sh -c "$(fix usermod | sed s/sudo//)"
ann sandbox run --userns auto --user 77 ./r true`),
	withAnn("SBX-IDMAP-GROUP", "gid=4243 ann "+ranged, "the group is 4243"),
	{code: "SBX-IDMAP-NO-SETFCAP", in: nested + " setpriv --bounding-set -setfcap", do: single, says: "CAP_SETFCAP"},
	{code: "SBX-ID-UNMAPPED", in: nested, says: "uid 77, the map is 0 ", do: `
bundled '.process.user.uid = 77 | del(.linux.uidMappings, .linux.gidMappings) | .linux.namespaces |= map(select(.type != "user"))'`},
	{code: "SBX-SETGROUPS", who: "user", do: "bundled '.process.user.additionalGids = [0]'", says: "setgroups answered EPERM", typed: `
no userns=
fix 'leave out .*additionalGids'
fix 'linux.uidMappings'
bundled .`},
	{code: "SBX-DEVPTS-GID", do: `
bundled '.mounts |= map(if .type == "devpts" then .options += ["gid=5"] else . end)' --require terminal`},
	{code: "SBX-DEVPTS-GID", in: nested, do: "spec= bundled .", says: "gid=5 in the options of devpts"},
	{code: "SBX-MKNOD", do: `bundled '.linux.devices = [{path: "/dev/x", type: "c", major: 4000, minor: 3}]'`},
	{code: "SBX-CAPS", do: `bundled '.process.capabilities.bounding = ["CAP_OF_NO_KERNEL"]' --require capabilities`, says: "unknown: CAP_OF_NO_KERNEL"},
	{code: "SBX-RLIMIT", who: "user", needs: "exec:prlimit", do: "prlimit --nofile=200:200 $SANDBOX_BIN run --ulimit nofile=300 --require rlimits ./r true", says: "the hard limit of nofile is 200, asked for 300", typed: `
prlimit --nofile=200:200 $SANDBOX_BIN run $(fix ulimit | sed 's/.*\(--ulimit [^,]*\),.*/\1/') --require rlimits ./r true`},
	{code: "SBX-OOM-SCORE", in: nested, do: "bundled '.process.oomScoreAdj = -500'", says: "oom_score_adj is -?[0-9]+, asked for -500"},
	{code: "SBX-IDMAP-MOUNT", in: nested, says: "is not a filesystem of our user namespace", do: `
bundled '.mounts += [{destination: "/m", source: "/etc", options: ["rbind", "ridmap"]}]'`},
	{code: "SBX-IDMAP-FILESYSTEM", who: "root", says: "/sys is on sysfs", do: `
m='[{containerID: 0, hostID: 5, size: 1}]'
spec= bundled '.mounts += [{destination: "/m", source: "/sys", options: ["bind", "idmap"], uidMappings: '"$m"', gidMappings: '"$m"'}]'`},
}
