package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// result is what became of one mutant.
type result struct {
	Name    string   `json:"name"`
	Says    string   `json:"says"`
	Noticed bool     `json:"noticed"`
	By      string   `json:"by,omitempty"`      // which test
	Line    string   `json:"line,omitempty"`    // what it said
	Skipped []string `json:"skipped,omitempty"` // named tests that this machine cannot run
	Error   string   `json:"error,omitempty"`
	Seconds float64  `json:"seconds"`
}

// try runs the tests on the mutants, and leaves nothing behind, also when it is interrupted.
func try(ctx context.Context, root string, o options, mutants []*mutant) ([]*result, error) {
	before := groups(root)
	defer func() {
		// What has been there for a moment already might be somebody's who is about to enter it.
		if left := without(groups(root), before); len(left) > 0 {
			time.Sleep(2 * time.Second)
			_ = command(context.Background(), root, append([]string{"hack/mutate/users", "drop"}, left...)...).Run()
		}
	}()
	var places []*place
	defer func() {
		for _, p := range places {
			p.remove()
		}
	}()
	for i := range min(o.jobs, len(mutants)) {
		p, err := newPlace(ctx, root, fmt.Sprintf("mutu%d-%d", os.Getpid()%100000, i), o.timeout)
		if err != nil {
			return nil, err
		}
		places = append(places, p)
	}
	if err := plain(ctx, places, mutants); err != nil {
		return nil, err
	}
	work := make(chan int)
	results := make([]*result, len(mutants))
	var all sync.WaitGroup
	var mu sync.Mutex
	for _, p := range places {
		all.Go(func() {
			for i := range work {
				r := p.try(ctx, mutants[i], o.all)
				mu.Lock()
				results[i] = r
				progress(o.format, r)
				mu.Unlock()
			}
		})
	}
	for i := range mutants {
		select {
		case work <- i:
		case <-ctx.Done():
		}
	}
	close(work)
	all.Wait()
	return results, ctx.Err()
}

// plain runs all named tests on the program as it is: one that fails anyway notices nothing.
func plain(ctx context.Context, places []*place, mutants []*mutant) error {
	work := make(chan test)
	var bad []error
	var all sync.WaitGroup
	var mu sync.Mutex
	for _, p := range places {
		p.built = map[string]bool{}
		all.Go(func() {
			for t := range work {
				if err := p.passes(ctx, t); err != nil {
					mu.Lock()
					bad = append(bad, err)
					mu.Unlock()
				}
			}
		})
	}
	for _, t := range namedTests(mutants) {
		work <- t
	}
	close(work)
	all.Wait()
	return errors.Join(bad...)
}

func (p *place) passes(ctx context.Context, t test) error {
	o, err := p.test(ctx, t, "", 10*p.timeout)
	if err == nil && len(o.failed) > 0 && t.unit == "" {
		again := test{who: t.who, name: strings.Join(o.failed, "|")} // on a busy machine one of many may be late once
		o, err = p.test(ctx, again, "", 10*p.timeout)
	}
	if err == nil && len(o.failed) > 0 {
		err = fmt.Errorf("without any mutant, as %s, this fails: %s (%s)", t.who, strings.Join(o.failed, " "), o.line)
	}
	return err
}

// namedTests are those of all mutants, the scripts of one caller in one run.
func namedTests(mutants []*mutant) []test {
	scripts, units := map[string]map[string]bool{"root": {}, "user": {}}, map[test]bool{}
	for _, m := range mutants {
		for _, t := range m.tests {
			if t.unit != "" {
				units[t] = true
			} else {
				scripts[t.who][t.name] = true
			}
		}
	}
	var list []test
	for _, who := range []string{"root", "user"} {
		if names := slices.Sorted(maps.Keys(scripts[who])); len(names) > 0 {
			list = append(list, test{who: who, name: strings.Join(names, "|")})
		}
	}
	return slices.AppendSeq(list, maps.Keys(units))
}

// try makes one mutant and tests it.
func (p *place) try(ctx context.Context, m *mutant, all bool) *result {
	begin := time.Now()
	r := &result{Name: m.name, Says: m.says}
	if err := p.change(m, func() error { return p.look(ctx, m, all, r) }); err != nil {
		r.Error = err.Error()
	}
	r.Seconds = time.Since(begin).Round(100 * time.Millisecond).Seconds()
	return r
}

// change has the sources of a mutant while it does something.
func (p *place) change(m *mutant, do func() error) error {
	s, err := readSource(p.src)
	if err != nil {
		return err
	}
	file, text, err := s.apply(m)
	if err != nil {
		return err
	}
	path := filepath.Join(p.src, file)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return err
	}
	p.built = map[string]bool{}
	return errors.Join(do(), os.WriteFile(path, []byte(s[file]), 0o644))
}

// look runs tests until one notices.
func (p *place) look(ctx context.Context, m *mutant, all bool, r *result) error {
	for _, t := range m.tests {
		if done, err := p.notice(ctx, t, "", p.timeout, r); done || err != nil {
			return err
		}
	}
	if !all {
		return nil
	}
	for _, t := range p.rest(m) {
		skip := ""
		if t.unit == "" {
			skip = named(m, t.who)
		}
		if done, err := p.notice(ctx, t, skip, 10*p.timeout, r); done || err != nil {
			return err
		}
	}
	return nil
}

// notice runs one test program, and says whether it noticed.
func (p *place) notice(ctx context.Context, t test, skip string, patience time.Duration, r *result) (bool, error) {
	o, err := p.test(ctx, t, skip, patience)
	if err != nil {
		return false, err
	}
	for _, name := range o.skipped {
		r.Skipped = append(r.Skipped, name+" as "+t.who)
	}
	if len(o.failed) == 0 {
		return false, nil
	}
	what := o.failed[0]
	if t.unit != "" {
		what = t.unit + " " + what
	}
	r.Noticed, r.By, r.Line = true, what+" as "+t.who, o.line
	return true, nil
}

// rest are all tests but those that a mutant names: first the units, then the scripts.
func (p *place) rest(m *mutant) (list []test) {
	files, _ := filepath.Glob(p.src + "/*/*/*_test.go") // a constant pattern
	for _, who := range []string{"user", "root"} {
		seen := map[string]bool{}
		for _, file := range files {
			unit, err := filepath.Rel(p.src, filepath.Dir(file))
			if err != nil || seen[unit] || slices.Contains(m.tests, test{who: who, unit: unit}) || strings.HasPrefix(unit, "hack/") {
				continue
			}
			seen[unit] = true
			list = append(list, test{who: who, unit: unit})
		}
	}
	return append(list, test{who: "user"}, test{who: "root"}) // scripts, and what else there is in tests/
}

// named are the scripts that have been run as somebody.
func named(m *mutant, who string) string {
	var names []string
	for _, t := range m.tests {
		if t.unit == "" && t.who == who {
			names = append(names, t.name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "^TestScripts$/^(" + strings.Join(names, "|") + ")$"
}

// groups are the empty cgroups of containers.
func groups(root string) (list []string) {
	out, _ := command(context.Background(), root, "hack/mutate/users", "groups").Output()
	for line := range strings.Lines(string(out)) {
		if dir, is := strings.CutPrefix(strings.TrimSpace(line), "GROUP "); is {
			list = append(list, dir)
		}
	}
	return list
}

func without(list, these []string) []string {
	return slices.DeleteFunc(list, func(s string) bool { return slices.Contains(these, s) })
}
