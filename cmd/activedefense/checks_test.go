package main

import (
	"bytes"
	"testing"

	"activedefense/firewall/policy"
)

// unanswered are the checks of a firewall that does not answer, beside one that does.
func unanswered() []policy.Check {
	const away = "could not be checked: connection refused"
	return []policy.Check{
		{Firewall: "fw1", Check: "api", Result: "fail", Detail: "connection refused", Remedy: "Check url."},
		{Firewall: "fw1", Check: "block-rule", Result: "warn", Detail: away, Remedy: `Fix "api" first.`},
		{Firewall: "fw1", Check: "sensor-rule", Result: "warn", Detail: away, Remedy: `Fix "api" first.`},
		{Firewall: "fw2", Check: "block-rule", Result: "warn", Detail: away, Remedy: `Fix "api" first.`},
		{Firewall: "fw2", Check: "committed", Result: "pass", Detail: "no uncommitted changes"},
	}
}

func TestWhatManyChecksFindAlikeIsSaidOnceAFirewall(t *testing.T) {
	var out bytes.Buffer
	v := &verifyCommand{app: &app{stdout: &out}}
	if err := v.writeChecks(unanswered()); err != nil {
		t.Fatal(err)
	}
	const want = `fw1
  FAIL  api                  connection refused
                             -> Check url.
  WARN  block-rule           could not be checked: connection refused
                             -> Fix "api" first.
  WARN  sensor-rule          the same

fw2
  WARN  block-rule           could not be checked: connection refused
                             -> Fix "api" first.
  PASS  committed            no uncommitted changes
`
	if out.String() != want {
		t.Errorf("written:\n%s\ninstead of:\n%s", out.String(), want)
	}
}
