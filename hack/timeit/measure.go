package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// heavy is how many times fewer rounds a row gets that runs its command many times in each.
const heavy = 10

// serial makes every {id} another one; a name that is used twice would measure a refusal.
var serial atomic.Int64

func (s *suite) measure(warmup, rounds int) {
	for n := range warmup + rounds {
		for _, g := range s.groups {
			for i := range g.rows {
				// Another one begins each round: who comes first finds the caches as the last of the round before left them.
				r := g.rows[(i+n)%len(g.rows)]
				if r.wants(n, warmup, rounds) {
					s.before()
					r.sample(n >= warmup)
				}
			}
		}
	}
}

// wants reports whether the row takes part in round n.
func (r *row) wants(n, warmup, rounds int) bool {
	if r.err != nil || len(r.steps) == 0 {
		return false
	}
	if r.count == 1 {
		return true
	}
	return n >= warmup && n-warmup < max(rounds/heavy, min(rounds, 3))
}

func (r *row) sample(counts bool) {
	begin := time.Now()
	r.err = r.runAll()
	took := time.Since(begin)
	if counts && r.err == nil {
		r.samples = append(r.samples, float64(took.Microseconds())/1000)
	}
}

func (r *row) runAll() error {
	if r.count == 1 {
		return r.runOnce()
	}
	var (
		left    atomic.Int64
		workers sync.WaitGroup
		once    sync.Once
		first   error
	)
	left.Store(int64(r.count))
	for range r.jobs {
		workers.Go(func() {
			for left.Add(-1) >= 0 {
				if err := r.runOnce(); err != nil {
					once.Do(func() { first = err })
				}
			}
		})
	}
	workers.Wait()
	return first
}

func (r *row) runOnce() error {
	id := "timeit-" + strconv.Itoa(os.Getpid()) + "-" + strconv.FormatInt(serial.Add(1), 10)
	for _, step := range r.steps {
		argv := make([]string, len(step))
		for i, word := range step {
			argv[i] = strings.ReplaceAll(word, "{id}", id)
		}
		if err := runQuietly(argv); err != nil {
			return err
		}
	}
	return nil
}

// runQuietly gives the command files for its streams and no pipes: a pipe would have to be read, which costs the measured
// program nothing but us a goroutine, and would wait for whatever the command left behind.
func runQuietly(argv []string) error {
	stderr, err := os.CreateTemp("", "timeit")
	if err != nil {
		return err
	}
	defer stderr.Close()
	if err := os.Remove(stderr.Name()); err != nil {
		return err
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stderr = stderr
	if err := cmd.Run(); err != nil {
		said := make([]byte, 2048)
		n, _ := stderr.ReadAt(said, 0)
		return fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, bytes.TrimSpace(said[:n]))
	}
	return nil
}
