package main

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// suite is rows grouped by what they measure, both in the order of the file.
type suite struct {
	groups   []*group
	programs []string
	before   func() // what is done before each sample
}

type group struct {
	what string
	unit string
	rows []*row
}

type row struct {
	program string
	steps   [][]string
	count   int // runs in one sample
	jobs    int // of them at a time
	samples []float64
	err     error
}

func parseSuite(text string) (*suite, error) {
	s := &suite{before: func() {}}
	for i, line := range strings.Split(text, "\n") {
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := s.add(strings.Split(line, "\t")); err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	if len(s.groups) == 0 {
		return nil, errors.New("the suite has no rows")
	}
	return s, nil
}

func (s *suite) add(fields []string) error {
	if len(fields) != 4 {
		return fmt.Errorf("%d fields, want 4: what, program, how, command", len(fields))
	}
	r, unit, err := parseRow(fields[1], fields[2], fields[3])
	if err != nil {
		return err
	}
	if !slices.Contains(s.programs, r.program) {
		s.programs = append(s.programs, r.program)
	}
	i := slices.IndexFunc(s.groups, func(g *group) bool { return g.what == fields[0] })
	if i < 0 {
		s.groups = append(s.groups, &group{what: fields[0], unit: unit})
		i = len(s.groups) - 1
	}
	g := s.groups[i]
	if g.unit != unit {
		return fmt.Errorf("%q is in %s and in %s", g.what, g.unit, unit)
	}
	g.rows = append(g.rows, r)
	return nil
}

func parseRow(program, how, command string) (*row, string, error) {
	r := &row{program: program, count: 1, jobs: 1}
	words := strings.Fields(command)
	if len(words) == 0 {
		return nil, "", errors.New("no command")
	}
	if m := regexp.MustCompile(`^(\d{1,6})(?:x(\d{1,3}))?$`).FindStringSubmatch(how); m != nil {
		r.count, _ = strconv.Atoi(m[1]) // at most six digits
		if m[2] != "" {
			r.jobs, _ = strconv.Atoi(m[2])
		}
		if r.count < 1 || r.jobs < 1 {
			return nil, "", fmt.Errorf("nothing to run: %q", how)
		}
		r.steps = splitSteps(words)
		return r, "ms", nil
	}
	value, err := strconv.ParseFloat(command, 64)
	if err != nil {
		return nil, "", fmt.Errorf("%q is a unit, so the command has to be a number: %w", how, err)
	}
	r.samples = []float64{value}
	return r, how, nil
}

func splitSteps(words []string) (steps [][]string) {
	for step := range slices.Values(strings.Split(" "+strings.Join(words, " ")+" ", " ; ")) {
		if argv := strings.Fields(step); len(argv) > 0 {
			steps = append(steps, argv)
		}
	}
	return steps
}

// failure says which rows have no result.
func (s *suite) failure() error {
	var errs []error
	for _, g := range s.groups {
		for _, r := range g.rows {
			if r.err != nil {
				errs = append(errs, fmt.Errorf("%s, %s: %w", g.what, r.program, r.err))
			}
		}
	}
	return errors.Join(errs...)
}
