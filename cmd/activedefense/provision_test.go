package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"activedefense/firewall/panosim"
	"activedefense/firewall/panosim/jobs"
	"activedefense/firewall/policy"
)

// configure makes the world's firewall one of a mode that knows where list and logs are.
func (w *world) configure(mode string) {
	w.t.Helper()
	w.write(w.config, fmt.Appendf(nil, `state_dir: %[1]s/state
log: {level: info, format: json}
inputs: [{path: %[1]s/logs/*.log, timezone: UTC}]
networks: {own: [198.51.100.0/24, "2001:db8:1::/48"]}
edl: {listen: %[2]q, url: "https://%[2]s/files/blacklist.txt"}
admin: {listen: %[3]q}
firewalls:
  - {name: LAB-FW-01, url: %[4]q, api_key_file: %[1]s/fw.key, ca_file: %[1]s/fw-ca.pem, mode: %[5]s, syslog_address: "127.0.0.1:5514",
     internet_zones: [untrust], commit_interval: 1s, refresh_interval: 1s}
`, w.dir, w.edl, w.admin, w.sim.URL(), mode))
}

func TestAnEmptyFirewallIsProvisionedAndVerified(t *testing.T) {
	for _, mode := range []string{"dynamic-tag", "address-group", "edl"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel() // it waits for processes and commits
			w := newWorld(t, "sqlite", "")
			w.configure(mode)
			w.append(nil)
			if stdout, stderr, code := w.run("verify"); code != 1 || !strings.Contains(stdout, "block-rule") || !strings.Contains(stdout, "Fix block-source, syslog-format, log-forwarding first") {
				t.Fatalf("verify of an empty firewall: exit status %d\n%s%s", code, stdout, stderr)
			}
			w.start()
			w.until("the list is served", func() bool { s := w.status(); return s != nil && s.List != nil && s.List.Loaded })

			for status, args := range map[int][]string{2: {"provision", "--detailed-exit-code"}, 0: {"provision"}, 1: {"provision", "--detailed-exit-code", "--firewall", "nobody"}} {
				if stdout, stderr, code := w.run(args...); code != status {
					t.Errorf("%v: exit status %d, want %d\n%s%s", args, code, status, stdout, stderr)
				}
			}
			plan := jsonSteps(w, "provision")
			if len(plan) < 7 {
				t.Fatalf("a plan of %d steps: %v", len(plan), plan)
			}
			differences := jsonLines[map[string]json.RawMessage](w, "provision")
			if at := slices.IndexFunc(differences, func(line map[string]json.RawMessage) bool { return line["differences"] != nil }); at < 0 ||
				!strings.Contains(string(differences[at]["differences"]), `"blocked_sources":true`) || string(differences[at]["firewall"]) != `"LAB-FW-01"` {
				t.Errorf("no differences are told: %s", differences)
			}
			if strings.Contains(w.sim.Config().Candidate(), "active-defense-block") {
				t.Fatal("a plan has changed the firewall")
			}
			stdout, stderr, code := w.run("provision", "--apply", "--commit")
			if code != 0 {
				t.Fatalf("provision --apply --commit: exit status %d\n%s%s", code, stdout, stderr)
			}
			w.sim.Lists().Fetch()
			for _, c := range jsonLines[policy.Check](w, "verify") {
				if c.Result != "pass" && c.Check != "api-role" { // the simulated administrator is a superuser
					t.Errorf("%s %s: %s", c.Result, c.Check, c.Detail)
				}
			}
			if again := jsonSteps(w, "provision"); len(again) != 0 {
				t.Errorf("the second plan has %v", again)
			}
			if stdout, _, _ := w.run("provision", "--json"); !strings.Contains(stdout, `"differences":[]`) {
				t.Errorf("that nothing is decided otherwise is not told: %s", stdout)
			}
			if stdout, stderr, code := w.run("provision", "--detailed-exit-code"); code != 0 {
				t.Errorf("nothing is missing: exit status %d\n%s%s", code, stdout, stderr)
			}
			if stdout, stderr, code := w.run("provision", "--remove", "--detailed-exit-code"); code != 2 || !strings.Contains(stdout, `- security rule "active-defense-block"`) {
				t.Errorf("the plan of a removal: exit status %d\n%s%s", code, stdout, stderr)
			}
			if !strings.Contains(w.sim.Config().Running(), "active-defense-block") {
				t.Error("a plan has changed the firewall")
			}
			if stdout, stderr, code := w.run("provision", "--remove", "--apply"); code != 0 || strings.Contains(stdout, "nothing of ours is there") {
				t.Errorf("the removal: exit status %d\n%s%s", code, stdout, stderr)
			}
			if stdout, stderr, code := w.run("provision", "--remove", "--detailed-exit-code"); code != 2 || !strings.Contains(stdout, "nothing of ours is in the candidate configuration\n") ||
				!strings.Contains(stdout, "the firewall goes on as it is until it is committed: activedefense --config "+w.config+" provision --remove --commit") {
				t.Errorf("a second removal before the commit: exit status %d\n%s%s", code, stdout, stderr)
			}
			if stdout, stderr, code := w.run("provision", "--remove", "--commit"); code != 0 || strings.Contains(stdout, "until it is committed") {
				t.Errorf("the commit of the removal: exit status %d\n%s%s", code, stdout, stderr)
			}
			if stdout, _, _ := w.run("provision", "--remove"); !strings.Contains(stdout, "nothing of ours is there\n") {
				t.Errorf("after the commit of the removal:\n%s", stdout)
			}
			if left := jsonSteps(w, "provision", "--remove"); len(left) != 0 || strings.Contains(w.sim.Config().Running(), "active-defense-block") {
				t.Errorf("after the removal: %v", left)
			}
			if err := w.sim.Addresses().Register("", netip.MustParsePrefix("203.0.113.5/32"), "active-defense", 0); err != nil {
				t.Fatal(err)
			}
			stdout, _, code = w.run("provision", "--remove", "--apply")
			if daemon := strings.Contains(stdout, "the daemon that runs would register them again: stop it"); daemon != (mode == "dynamic-tag") || (code != 0) != daemon || strings.Contains(stdout, "nothing of ours") {
				t.Errorf("with a registered address: exit status %d\n%s", code, stdout)
			}
			if key, err := os.ReadFile(w.dir + "/fw.key"); err != nil || strings.Contains(stdout+stderr, string(key)) {
				t.Errorf("the key is printed, or cannot be read: %v", err)
			}
		})
	}
}

// jsonSteps gives the plan of a provision; the checks that follow it are not among them.
func jsonSteps(w *world, args ...string) []policy.Step {
	w.t.Helper()
	var steps []policy.Step
	for _, s := range jsonLines[policy.Step](w, args...) {
		if s.Action != "" {
			steps = append(steps, s)
		}
	}
	return steps
}

func TestVerifyAndProvisionOfAnUnknownFirewall(t *testing.T) {
	w := newWorld(t, "sqlite", "")
	for _, command := range []string{"verify", "provision"} {
		if _, stderr, code := w.run(command, "--firewall", "nobody"); code != 2 || !strings.Contains(stderr, "LAB-FW-01") {
			t.Errorf("%s: exit status %d: %s", command, code, stderr)
		}
	}
	for flag, status := range map[string]int{"--adopt": 2, "--detailed-exit-code=false": 2, "--detailed-exit-code": 1, "--detailed-exit-code=true": 1, "--detailed-exit-code=1": 1} {
		args := []string{"provision", "--bogus", flag}
		if _, stderr, code := w.run(args...); code != status || !strings.Contains(stderr, "--bogus") {
			t.Errorf("%v: exit status %d, want %d: %s", args, code, status, stderr)
		}
	}
}

// A plan that cannot be printed is a failure.
func TestAPlanThatCannotBePrintedFails(t *testing.T) {
	w := newWorld(t, "sqlite", "")
	w.configure("dynamic-tag")
	for _, args := range [][]string{{"provision", "--remove"}, {"provision", "--remove", "--json"}} {
		r, out, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd := w.command(args...)
		var stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = r, &stderr // which nothing can be written to
		_ = cmd.Run()
		r.Close()
		out.Close()
		if code := cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(stderr.String(), "print the plan and what was done: ") {
			t.Errorf("%v: exit status %d: %s", args, code, stderr.String())
		}
	}
}

// A firewall that is away costs the others nothing.
func TestAFirewallThatIsAwayCostsTheOthersNothing(t *testing.T) {
	w := newWorld(t, "sqlite", "")
	w.configure("dynamic-tag")
	config, err := os.ReadFile(w.config)
	if err != nil {
		t.Fatal(err)
	}
	w.write(w.config, bytes.Replace(config, []byte("firewalls:\n"), fmt.Appendf(nil, "firewalls:\n  - {name: AWAY, url: \"https://127.0.0.1:1\", api_key_file: %[1]s/fw.key, ca_file: %[1]s/fw-ca.pem}\n", w.dir), 1))
	w.append(nil)
	w.start()
	w.until("the list is served", func() bool { s := w.status(); return s != nil && s.List != nil && s.List.Loaded })
	stdout, stderr, code := w.run("provision", "--detailed-exit-code")
	if code != 1 || !strings.Contains(stderr, "AWAY") {
		t.Errorf("exit status %d: %s", code, stderr)
	}
	for _, says := range []string{`LAB-FW-01: `, `+ security rule "active-defense-block"`, "--apply writes"} {
		if !strings.Contains(stdout, says) {
			t.Errorf("the output has no %q:\n%s", says, stdout)
		}
	}
}

// What is left after --apply is said by the error that ends the program, and only what the next run would leave, too.
func TestStepsThatAreLeftAreSaid(t *testing.T) {
	person := policy.Step{Firewall: "fw", Action: policy.ActionPerson, Object: `certificate "c"`, Detail: "import it"}
	foreign := policy.Step{Firewall: "fw", Action: policy.ActionChange, Object: `security rule "allow-web"`, Foreign: true}
	later := policy.Step{Firewall: "fw", Action: policy.ActionCreate, Object: `tag "t"`}
	p := &provisionCommand{app: &app{}}
	if err := p.undone([]policy.Step{person, foreign}); err != nil {
		t.Errorf("of a plan alone: %v", err)
	}
	p.opts.Apply = true
	for want, left := range map[string][]policy.Step{
		"<nil>": {later},
		"1 step is left:\n  fw: security rule \"allow-web\" (not ours, not changed without --adopt)":                                                      {later, foreign},
		"2 steps are left:\n  fw: certificate \"c\" (for a person: import it)\n  fw: security rule \"allow-web\" (not ours, not changed without --adopt)": {person, foreign},
	} {
		if err := p.undone(left); fmt.Sprint(err) != want {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
	if p.opts.Adopt = true; p.undone([]policy.Step{foreign}) != nil {
		t.Error("what is adopted is written, and waits for its commit")
	}
}

// Where it cannot be told which zones face the internet, no rules are planned, and plan and check fail.
func TestNoRuleRestsOnAGuess(t *testing.T) {
	w := newWorld(t, "sqlite", "")
	w.configure("dynamic-tag")
	text, err := os.ReadFile(w.config)
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.Replace(bytes.Replace(text, []byte("internet_zones: [untrust], "), nil, 1), []byte("edl: {"), []byte("# edl: {"), 1)
	w.write(w.config, text)
	w.append(nil)
	stdout, stderr, code := w.run("provision")
	if code != 1 || strings.Contains(stdout, "+ security rule") || !strings.Contains(stdout, "no default route leaves by any interface") || !strings.Contains(stdout, "Set internet_zones") {
		t.Errorf("provision: exit status %d\n%s%s", code, stdout, stderr)
	}
	if stdout, stderr, code := w.run("verify"); code != 1 || !strings.Contains(stdout, "no internet zone can be told") {
		t.Errorf("verify: exit status %d\n%s%s", code, stdout, stderr)
	}
}

// An interrupt while the commit runs ends at once, says that it may still come into force and how to look, and no more of what is in force.
func TestAnInterruptedCommitSaysWhatIsKnown(t *testing.T) {
	w := newWorld(t, "sqlite", "")
	w.configure("dynamic-tag")
	config, err := os.ReadFile(w.config)
	if err != nil {
		t.Fatal(err)
	}
	w.write(w.config, bytes.Replace(config, []byte(`, url: "https://`+w.edl+`/files/blacklist.txt"`), nil, 1)) // no list, and so no CA of a daemon
	w.sim.SetFault(panosim.Fault{Effect: panosim.Hang, Kind: panosim.KindCommit, Applied: true})
	cmd := w.command("provision", "--apply", "--commit")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.until("the commit is begun", func() bool {
		return slices.ContainsFunc(w.sim.Jobs(), func(j jobs.Job) bool { return j.Type == "Commit" })
	})
	cmd.Process.Signal(os.Interrupt)
	err = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 1 || strings.Contains(stdout.String(), "running configuration now") || !strings.HasSuffix(stdout.String(), "this can take minutes\n") {
		t.Errorf("exit status %d, %v:\n%s", code, err, stdout.String())
	}
	if said := stderr.String(); !strings.Contains(said, "It is not known whether that was begun") || !strings.Contains(said, "show jobs all") || !strings.Contains(said, "run this again with --commit") || strings.Contains(said, "context canceled") {
		t.Errorf("it says %s", said)
	}
	w.sim.ClearFaults()
	if stdout, stderr, _ := w.run("provision", "--commit"); !strings.Contains(stdout, "nothing of ours to commit") {
		t.Errorf("once more:\n%s%s", stdout, stderr)
	}
}
