package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

func TestTheLoopIsShownInEveryMode(t *testing.T) {
	means := map[string]string{"dynamic-tag": "tagged ", "address-group": "commit ", "edl": "fetched "}
	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) {
			t.Parallel() // it waits for time to pass
			var out bytes.Buffer
			err := run(t.Context(), &out, mode, 0, false)
			for _, want := range []string{"checks do not pass", "attack ", "logged ", "blocked ", means[mode], "dropped ", "spared ", "why ", "list ", "release ", "let in ", "RuleName=" + blockRule, "end "} {
				if err != nil || !strings.Contains(out.String(), want) {
					t.Fatalf("%v; the show without %q:\n%s", err, want, out.String())
				}
			}
			if strings.Contains(out.String(), "no rule in force") {
				t.Errorf("the rule that drops is said not to be there:\n%s", out.String())
			}
			if strings.Contains(out.String(), "  error ") {
				t.Errorf("an error is shown where there is none:\n%s", out.String())
			}
		})
	}
}

// Where the firewall has no rule that blocks, the show fails and says which part of it did.
func TestTheShowFailsWhenTheLoopDoesNotClose(t *testing.T) {
	t.Parallel() // it waits for time to pass
	var out bytes.Buffer
	s, err := newStage(t.Context(), &out, modes[0], 0)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	const rule = "/config/devices/entry[@name='localhost.localdomain']/vsys/entry[@name='vsys1']/rulebase/security/rules/entry[@name='" + blockRule + "']"
	if err := s.begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.sim.Config().Edit("somebody", "delete", rule, ""); err != nil {
		t.Fatal(err)
	}
	if err := s.sim.Config().Commit("somebody"); err != nil {
		t.Fatal(err)
	}
	if err := s.play(t.Context(), attacks[0]); err == nil || !strings.Contains(err.Error(), attacks[0].source+" was not blocked") {
		t.Errorf("%v\n%s", err, out.String())
	}
}

// What the agent said while its policy was missing is shown when the firewall cannot be prepared.
func TestAFailedBeginningTellsWhatTheAgentSaid(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s, err := newStage(t.Context(), &out, modes[0], 0)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	const said = "a new CA for the list was created"
	if strings.Contains(out.String(), said) {
		t.Errorf("it is shown at once:\n%s", out.String())
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.begin(ended); err == nil || !strings.Contains(out.String(), said) {
		t.Errorf("%v\n%s", err, out.String())
	}
}
