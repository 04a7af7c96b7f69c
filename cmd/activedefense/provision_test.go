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

	"activedefense/firewall/decision"
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

// Below the steps of a plan stands what it decides otherwise, or that it does not; blocked sources apart.
func TestDifferencesOfAPlan(t *testing.T) {
	cut := decision.Difference{Traffic: "from untrust to dmz, service udp/500", RuleBefore: `"vpn"`, ActionBefore: "allow", RuleAfter: `"sensor"`, ActionAfter: "drop", Certain: true, Example: "udp/500"}
	blocked := decision.Difference{Traffic: "from untrust to dmz", RuleBefore: `"web"`, ActionBefore: "allow", RuleAfter: `"block"`, ActionAfter: "drop", BlockedSources: true, Conditions: []string{"schedule nights"}}
	const none, otherwise, ofBlocked = "No flow is decided otherwise, but for blocked sources.\n", "Decided otherwise with this plan:\n  from untrust to dmz, service udp/500: allowed by rule \"vpn\", would be dropped by \"sensor\"; for example udp/500\n",
		"And of blocked sources:\n  from untrust to dmz: may be allowed by rule \"web\", and would then be dropped by \"block\"; it depends on schedule nights\n"
	for want, list := range map[string][]decision.Difference{none: nil, otherwise: {cut}, none + ofBlocked: {blocked}, otherwise + ofBlocked: {cut, blocked}} {
		var out strings.Builder
		(&provisionCommand{app: &app{stdout: &out}}).printDifferences(list, len(list))
		if out.String() != want {
			t.Errorf("it prints\n%swant\n%s", out.String(), want)
		}
	}
	var many []decision.Difference
	for i := range mostDifferences + 7 {
		d := cut
		d.RuleBefore, d.RuleAfter = fmt.Sprintf("before %d", i), fmt.Sprintf("after %d", i)
		many = append(many, d)
	}
	var out strings.Builder
	if (&provisionCommand{app: &app{stdout: &out}}).printDifferences(many, len(many)); strings.Count(out.String(), "\n") != mostDifferences+2 || !strings.HasSuffix(out.String(), "\n  and 7 more; --json has them\n") {
		t.Errorf("of many it prints\n%s", out.String())
	}
}

// What the commands for a person decide otherwise stands below them, under a heading of its own; where we do the same there is one list, and nothing to type.
func TestDifferencesOfCommandsForAPerson(t *testing.T) {
	blocked := decision.Difference{Traffic: "from untrust to dmz", RuleBefore: `"web"`, ActionBefore: "allow", RuleAfter: `"block"`, ActionAfter: "drop", BlockedSources: true, Certain: true, Example: "tcp/443"}
	const none, those = "No flow is decided otherwise, but for blocked sources.\n", "And of blocked sources:\n  from untrust to dmz: allowed by rule \"web\", would be dropped by \"block\"; for example tcp/443\n"
	for byHand, want := range map[bool]string{true: "Before the commands on Panorama:\n" + none + "On Panorama's CLI that is:\nconfigure\nAfter the commands on Panorama:\n" + none + those, false: none + "Nothing was changed"} {
		part := &policy.OnPanorama{Commands: []string{"configure"}, ByHand: byHand, Differences: []decision.Difference{blocked}, DifferencesTotal: 1}
		var out strings.Builder
		(&provisionCommand{app: &app{stdout: &out}}).progress("fw", &policy.Plan{Steps: []policy.Step{{Action: policy.ActionPerson, Object: "rule"}}, Panorama: part}, "")
		if !strings.Contains(out.String(), want) {
			t.Errorf("it prints\n%swant\n%s", out.String(), want)
		}
	}
}

// What a commit takes along that was edited by hand has a heading of its own, which names whose edits it is made of.
func TestDifferencesOfEditsByHand(t *testing.T) {
	opened := decision.Difference{Traffic: "from untrust to dmz", RuleBefore: `"cleanup"`, ActionBefore: "deny", RuleAfter: `"typo"`, ActionAfter: "allow", Certain: true, Example: "tcp/443"}
	const those = "  security rule \"typo\" (vsys1)\n  from untrust to dmz: denied by rule \"cleanup\", would be allowed by \"typo\"; for example tcp/443\n  --commit is refused until "
	onPanorama := &policy.OnPanorama{Ourselves: "boss", EditedByHand: []string{`security rule "x" (device group hq)`}}
	for want, plan := range map[string]policy.Plan{
		"Pending edits of boss by hand, committed along with ours:\n" + those: {Ourselves: "boss", PendingBy: []string{"boss", "carol"}},
		"Pending edits of boss and carol by hand; whether any of them is our administrator's, whom --commit alone concerns, is not known before something of ours is written:\n" + strings.Replace(those, "--commit", "If they are, --commit", 1):                                                                                                       {PendingBy: []string{"boss", "carol"}},
		"Pending edits of boss by hand, committed along with ours:\n" + strings.Replace(those, "\n  from", "; on Panorama security rule \"x\" (device group hq)\n  from", 1):                                                                                                                                                                            {Panorama: onPanorama},
		"Pending edits of boss by hand, committed along with ours:\n" + strings.Replace(those, "\n  from", "\n  It is not told which of it is our administrator's: carol edited rulebase security rules (vsys1), and that stands above edits of ours, or under a name that ours may have given. Have them commit it or take it back first.\n  from", 1): {Ourselves: "boss", PendingBy: []string{"boss", "carol"}, EditedAbove: []string{"carol edited rulebase security rules (vsys1)"}},
		"edits of boss (our administrator) are not committed. The plan is made with them; --commit takes along those of boss,":                                                                                                                                                                                                                          {Ourselves: "boss", PendingBy: []string{"boss"}},
		"edits of carol are not committed. The plan is made with them; --commit takes along none of them, for our administrator is boss.\n":                                                                                                                                                                                                             {Ourselves: "boss", PendingBy: []string{"carol"}},
	} {
		plan.Pending, plan.EditedByHand, plan.PendingDifferences, plan.PendingDifferencesTotal = true, []string{`security rule "typo" (vsys1)`}, []decision.Difference{opened}, 1
		var out strings.Builder
		if (&provisionCommand{app: &app{stdout: &out}}).progress("fw", &plan, ""); !strings.Contains(out.String(), want) || strings.Contains(out.String(), "No flow is decided otherwise") {
			t.Errorf("it prints\n%swant\n%s", out.String(), want)
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

// What is for Panorama's administrator can be pasted as it is: a line of its own for each command, and no character that a terminal
// takes for something else.
func TestCommandsForPanorama(t *testing.T) {
	var out strings.Builder
	p := &provisionCommand{app: &app{stdout: &out}}
	p.printPanorama(nil)
	p.printPanorama(&policy.OnPanorama{}) // without commands no line
	p.printPanorama(&policy.OnPanorama{ByHand: true, Commands: []string{"configure", "set template T config shared certificate c public-key \"-----BEGIN\nMII\n-----END\"", "set device-group a\x1b[2J"}, Notes: []string{"a note"}})
	if want := "On Panorama's CLI that is:\nconfigure\nset template T config shared certificate c public-key \"-----BEGIN\nMII\n-----END\"\nset device-group a\\u001b[2J\n  a note\n"; out.String() != want {
		t.Errorf("it prints\n%swant\n%s", out.String(), want)
	}
}

// What was written on Panorama before and not pushed is told apart, and what --commit does is said once.
func TestWhatStandsOnPanoramaIsNotMissing(t *testing.T) {
	done := policy.Step{Action: policy.ActionCreate, Object: `tag "t"`, Detail: "on Panorama", Written: true}
	plan := &policy.Plan{Steps: []policy.Step{done, {Action: policy.ActionChange, Object: `tag "u"`}}, Panorama: &policy.OnPanorama{Pushes: []string{"device group g"}}}
	var out strings.Builder
	p := &provisionCommand{app: &app{stdout: &out}}
	p.progress("fw", plan, "")
	for _, want := range []string{"fw: 2 things missing, 1 of them done on Panorama before and not pushed yet\n", "(done on Panorama; it needs its commit there and a push to this firewall)\n",
		"of 2, --apply writes 0 to the candidate configuration of Panorama and 1 to the firewall's; --commit then commits on Panorama, pushes device group g to this firewall alone, and"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, out.String())
		}
	}
	plan.Panorama.Unpushed = []string{"pre-rulebase of g"}
	if text := p.writes(plan); !strings.HasSuffix(text, "--commit then is refused, and then nothing is written, before what others committed on Panorama is pushed.") || strings.Contains(text, "pushes") {
		t.Errorf("with others' work: %s", text)
	}
}

// Steps that say the same of many objects of one kind are printed as one.
func TestStepsThatSayTheSameArePrintedTogether(t *testing.T) {
	var steps []policy.Step
	for i := range 9 {
		steps = append(steps, policy.Step{Action: "change", Object: fmt.Sprintf("security rule \"web-%d\"", i), Detail: "log to us", Foreign: i < 5})
	}
	var said []string
	for _, s := range together(append(steps, policy.Step{Action: "create", Object: `tag "t"`, Detail: "log to us"})) {
		said = append(said, fmt.Sprint(s.Object, " ", s.Foreign))
	}
	want := []string{`security rule "web-0" and 4 more, to "web-4" true`, `security rule "web-5" false`, `security rule "web-6" false`, `security rule "web-7" false`, `security rule "web-8" false`, `tag "t" false`}
	if !slices.Equal(said, want) {
		t.Errorf("printed: %q", said)
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
