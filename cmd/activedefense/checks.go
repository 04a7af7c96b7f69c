package main

import (
	"fmt"
	"strings"

	"activedefense/agent"
)

// printChecks prints what was found, and fails if a check does.
func (a *app) printChecks(checks []agent.Check) error {
	failed, warned := 0, 0
	for _, c := range checks {
		switch c.Result {
		case "fail":
			failed++
		case "warn":
			warned++
		}
	}
	if err := a.writeChecks(checks); err != nil {
		return err
	}
	if !a.json {
		fmt.Fprintf(a.stdout, "\n%s, %s, %d passed\n", plural(failed, "failure"), plural(warned, "warning"), len(checks)-failed-warned)
	}
	if failed > 0 {
		return &statusError{code: exitFailed}
	}
	return nil
}

// writeChecks writes a line for each check, and below it what a person can do.
func (a *app) writeChecks(checks []agent.Check) error {
	if a.json {
		for _, c := range checks {
			if err := a.printJSON(c); err != nil {
				return err
			}
		}
		return nil
	}
	last := ""
	for _, c := range checks {
		if c.Firewall != last {
			if last != "" {
				fmt.Fprintln(a.stdout)
			}
			fmt.Fprintln(a.stdout, agent.Harmless(c.Firewall))
			last = c.Firewall
		}
		fmt.Fprintf(a.stdout, "  %-4s  %-19s  %s\n", strings.ToUpper(c.Result), c.Check, indented(c.Detail))
		if c.Remedy != "" {
			fmt.Fprintf(a.stdout, "        %-19s  -> %s\n", "", indented(c.Remedy))
		}
	}
	return nil
}

// indented keeps further lines of a text below its first one.
func indented(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = agent.Harmless(lines[i])
	}
	return strings.Join(lines, "\n"+strings.Repeat(" ", 32))
}
