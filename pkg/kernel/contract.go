package kernel

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Result is how a feature ended.
type Result string

// From best to worst.
const (
	Granted  Result = "granted"
	Degraded Result = "degraded" // it runs, and something of the feature is lost
	Refused  Result = "refused"  // the run does not have it at all
	// NotAsked is of no run's making: neither its flags nor its configuration speak of it. Nothing is lost.
	NotAsked Result = "not asked"
)

// Outcome is what became of one isolation feature in one run.
type Outcome struct {
	Feature string `json:"feature"`
	Result  Result `json:"result"`
	// Lost says what is missing compared to granted, for people.
	Lost  string `json:"lost,omitempty"`
	Cause *Cause `json:"cause,omitempty"`
}

// Contract is the outcome of every feature that a run asked for, each once, in
// the order they were decided. The zero value is an empty one.
type Contract []Outcome

// Grant records that the run has the feature.
func (c *Contract) Grant(feature string) { c.add(Outcome{Feature: feature, Result: Granted}) }

// Degrade records what is lost of a feature, and why.
func (c *Contract) Degrade(feature, lost string, cause Cause) {
	c.add(Outcome{feature, Degraded, lost, &cause})
}

// Refuse records that the run does not have the feature, and why.
func (c *Contract) Refuse(feature string, cause Cause) {
	c.add(Outcome{Feature: feature, Result: Refused, Cause: &cause})
}

// Every is the contract with a line for each feature that there is, in their order: what was not decided was not asked.
func (c Contract) Every() Contract {
	all := make(Contract, 0, len(Features()))
	for _, name := range Features() {
		o, asked := c.Of(name)
		if !asked {
			o = Outcome{Feature: name, Result: NotAsked}
		}
		all = append(all, o)
	}
	return all
}

// With adds the outcomes that were decided elsewhere.
func (c Contract) With(others Contract) Contract {
	for _, o := range others {
		c.add(o)
	}
	return c
}

// add keeps the worst of two outcomes for a feature: a later step that worked
// must not hide an earlier loss. Of equals the first stays.
func (c *Contract) add(o Outcome) {
	i := slices.IndexFunc(*c, func(have Outcome) bool { return have.Feature == o.Feature })
	switch {
	case i < 0:
		*c = append(*c, o)
	case rank(o.Result) > rank((*c)[i].Result):
		(*c)[i] = o
	}
}

func rank(r Result) int { return slices.Index([]Result{Granted, Degraded, Refused}, r) }

// Of is the outcome of a feature.
func (c Contract) Of(feature string) (Outcome, bool) {
	for _, o := range c {
		if o.Feature == feature {
			return o, true
		}
	}
	return Outcome{}, false
}

// ErrRequired is in every error of Require that is about the run and not about
// the words.
var ErrRequired = errors.New("required feature not granted")

// Require is an error unless the run has all of these features as granted. A
// name stands for itself only: cgroup does not ask for cgroup.memory. Of what is
// given as it was asked for, nothing asked is nothing lost. The error is a
// [Refusal] with the first cause and names the other failed features.
func (c Contract) Require(features []string) error {
	if err := ValidFeatures(features); err != nil {
		return err
	}
	var lost []Outcome
	for _, name := range features {
		name = strings.TrimSpace(name)
		o, asked := c.Of(name)
		if !asked && asAsked(name) {
			continue
		}
		if !asked {
			o = Outcome{Feature: name, Result: NotAsked, Lost: howToAsk[name]}
		}
		if o.Result != Granted && !slices.ContainsFunc(lost, func(l Outcome) bool { return l.Feature == name }) {
			lost = append(lost, o)
		}
	}
	return refuse(lost)
}

// ValidFeatures is an error that lists the valid names when one is unknown.
// Callers use it on --require before anything is started.
func ValidFeatures(features []string) error {
	valid := Features()
	for _, name := range features {
		if !slices.Contains(valid, strings.TrimSpace(name)) {
			return fmt.Errorf("unknown feature %q: use %s", clip(name), strings.Join(valid, ", "))
		}
	}
	return nil
}

func refuse(lost []Outcome) error {
	if len(lost) == 0 {
		return nil
	}
	words := make([]string, 0, len(lost))
	var cause *Cause
	for _, o := range lost {
		words = append(words, o.words())
		if cause == nil {
			cause = o.Cause
		}
	}
	err := fmt.Errorf("%w: %s", ErrRequired, strings.Join(words, "; "))
	if cause == nil {
		return err
	}
	return &Refusal{Cause: *cause, Err: err}
}

// words are the outcome for an error, such as "pidns is degraded (shares the
// caller's processes)".
func (o Outcome) words() string {
	switch {
	case o.Result == NotAsked:
		return o.Feature + " was not asked for (" + o.Lost + ")"
	case o.Lost == "":
		return o.Feature + " is " + string(o.Result)
	}
	return o.Feature + " is " + string(o.Result) + " (" + o.Lost + ")"
}
