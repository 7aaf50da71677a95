// Command mutate puts bugs into the program, one at a time, and looks whether a test notices. Every hack/mutants/NAME.mutant is
// such a bug: something that a user or an attacker would feel (mutant.go has the form).
//
//	go run ./hack/mutate [-all] [-run REGEX] [-jobs N] [-timeout TIME] [-format text|json]
//	go run ./hack/mutate -check
//
// As root it makes ordinary users with subordinate ids for the time of the run, runs the tests that the mutants name on the
// program as it is, where they have to pass, and then on each mutant, until one test fails. With -all the rest of all tests
// follows for mutants that those did not notice. What fails only because a golden file has another content notices nothing:
// whoever breaks the program writes those anew.
//
// With -check no test runs: every mutant must apply, compile, and name tests that there are. CI does that, so that mutants are
// changed with what they break.
//
// The exit status is 1 when a mutant was not noticed, 2 when something else was wrong.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"time"
)

// options are the command line.
type options struct {
	check, all bool
	only       *regexp.Regexp
	jobs       int
	timeout    time.Duration
	format     string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	status, err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		status = 2
	}
	os.Exit(status)
}

func run(ctx context.Context, args []string) (int, error) {
	o, err := parseOptions(args)
	if err != nil {
		return 2, err
	}
	root, err := os.Getwd()
	if err != nil {
		return 2, err
	}
	source, err := readSource(root)
	if err != nil {
		return 2, err
	}
	mutants, err := readMutants(root, o.only)
	if err != nil {
		return 2, err
	}
	if err := check(ctx, root, source, mutants); err != nil {
		return 2, err
	}
	if o.check {
		fmt.Printf("%d mutants apply and compile\n", len(mutants))
		return 0, nil
	}
	if os.Geteuid() != 0 {
		return 2, fmt.Errorf("root is needed, for the tests run as other users too; -check needs none")
	}
	results, err := try(ctx, root, o, mutants)
	if err != nil {
		return 2, err
	}
	return report(os.Stdout, o.format, results)
}

func parseOptions(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("mutate", flag.ContinueOnError)
	flags.BoolVar(&o.check, "check", false, "only look whether every mutant applies and compiles")
	flags.BoolVar(&o.all, "all", false, "run all other tests on what the named ones did not notice")
	only := flags.String("run", "", "only the mutants whose name matches `REGEX`")
	flags.IntVar(&o.jobs, "jobs", 1, "mutants at a time")
	flags.DurationVar(&o.timeout, "timeout", 4*time.Minute, "how long one test program may take; all of them get ten times that")
	flags.StringVar(&o.format, "format", "text", "text or json")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 || o.jobs < 1 || o.format != "text" && o.format != "json" {
		return o, fmt.Errorf("usage: mutate [-check] [-all] [-run REGEX] [-jobs N] [-timeout TIME] [-format text|json]")
	}
	var err error
	o.only, err = regexp.Compile(*only)
	return o, err
}
