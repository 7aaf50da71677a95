# What the examples speak of: a project with programs of its own, and containers.

PATH=$PWD/bin:$PATH

prepare() {
	mkdir -p bin "$HOME/.cache/go-build" "$HOME/go/pkg" rootfs/www
	cp "$SANDBOX_BIN" sandbox
	printf 'all:\n\t@echo made\ntest:\n\t@echo tested\n' >Makefile
	git init -q . 2>/dev/null || :
	echo 'served here' >rootfs/index.html
	# A compiler with two caches, as Go's: what it has downloaded and compiled once is there the next time.
	cat >bin/go <<'X'
#!/bin/sh
test "$*" = 'build ./...' || exit 2
mod=$HOME/go/pkg/mod obj=$HOME/.cache/go-build/obj
if test -e $mod -a -e $obj; then echo nothing to do; else touch $mod $obj && echo downloaded, compiled; fi
X
	cat >bin/npm <<'X'
#!/bin/sh
git config tag.version 1 && echo "published with $NPM_TOKEN"
X
	chmod 755 bin/go bin/npm
	echo '{"user":{"uid":0,"gid":0},"args":["sh","-c","echo x >/made; sleep 5"],"env":["PATH=/bin"],"cwd":"/"}' >process.json
	cat >type <<'X'
. ./words
line=$(sed "$2" typed$1 | sed "s,\$BUSYBOX,$BUSYBOX,; s/\$port/$((20000 + $$ % 20000))/")
rm -f out # which a container may have made its own
test -t 1 || exec >out
eval "$line"
X
}

# running has a container for what goes into one.
running() {
	sandbox state web >/dev/null 2>&1 || sandbox run -d --name web --network none ./rootfs sleep 1000 >/dev/null
}

# served_by CMD asks a server for a page while it runs.
served_by() {
	"$@" &
	server=$!
	for try in 1 2 3 4 5 6 7 8 9 10; do
		if "$BUSYBOX" wget -qO served "http://127.0.0.1:$((20000 + $$ % 20000))/index.html" 2>/dev/null; then break; fi
		sleep 0.3
	done
	kill $server
	wait $server || :
}
