// Command timeit measures whole commands side by side for hack/bench: it starts each one, waits for it, and compares the
// medians. It runs on the outside only and links nothing of the product, which it would otherwise measure in part.
//
//	timeit [-rounds N] [-warmup N] [-sync] [-format table|json] [-base NAME] [-ratios NAME,...] SUITE
//	timeit config FILE ROOTFS UIDS GIDS ARG...   (see config.go)
//	timeit profile FILE                          (see profile.go)
//
// SUITE has one row a line, of four fields with a tab between them:
//
//	what is measured · program · how · command
//
// how is "1" for one run of the command; "100x2" for the wall-clock time of a hundred, two at a time; or a unit, in which
// case the command is the number itself, measured elsewhere. A command is words with spaces between; ";" as a word
// separates steps that are timed together, {id} is a name that is used once.
//
// Rounds interleave the programs (A B A B), each beginning with another one: what else the machine does falls on all of
// them. The warm-up rounds come first and are not counted. With -sync what the row before has left to be written is written
// before each command is timed: else whoever calls fsync(2) pays for what the others have left.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "timeit:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) > 0 && args[0] == "config" {
		return editConfig(args[1:])
	}
	if len(args) > 0 && args[0] == "profile" {
		return addProfile(args[1:])
	}
	flags := flag.NewFlagSet("timeit", flag.ContinueOnError)
	rounds := flags.Int("rounds", 30, "runs of each command that count")
	warmup := flags.Int("warmup", 3, "runs of each command before those")
	writes := flags.Bool("sync", false, "write everything out before each command is timed")
	format := flags.String("format", "table", "table or json")
	base := flags.String("base", "sandbox", "the `program` whose ratio to the others is printed")
	ratios := flags.String("ratios", "crun,runc,bwrap", "the `programs` to print that ratio to")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 || *rounds < 1 || *warmup < 0 || (*format != "table" && *format != "json") {
		return fmt.Errorf("usage: timeit [-rounds N] [-warmup N] [-sync] [-format table|json] [-base NAME] [-ratios NAME,...] SUITE")
	}
	text, err := os.ReadFile(flags.Arg(0))
	if err != nil {
		return err
	}
	suite, err := parseSuite(string(text))
	if err != nil {
		return err
	}
	if *writes {
		suite.before = unix.Sync
	}
	suite.measure(*warmup, *rounds)
	if *format == "json" {
		err = suite.printJSON(os.Stdout, *base)
	} else {
		suite.printTable(os.Stdout, *base, strings.Split(*ratios, ","))
	}
	if err != nil {
		return err
	}
	return suite.failure()
}
