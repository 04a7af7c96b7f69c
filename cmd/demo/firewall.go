package main

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"activedefense/agent"
	"activedefense/agent/enforce"
	"activedefense/firewall/panosim"
	"activedefense/firewall/panosim/jobs"
	"activedefense/firewall/panosim/traffic"
	"activedefense/firewall/panosim/userid"
	"activedefense/firewall/policy"
	"activedefense/store"
)

const (
	admin    = "svc-activedefense"   // as whom the agent acts on the firewall
	listName = "active-defense-list" // what provision calls the external dynamic list
)

// before is the firewall's configuration before it has heard of us: two zones, and a rule that lets the internet in to
// the web servers, with vulnerability protection.
const before = `<config version="10.2.0"><shared/><devices><entry name="localhost.localdomain"><network><interface><ethernet><entry name="ethernet1/1"><layer3><dhcp-client/></layer3></entry></ethernet></interface></network>
<vsys><entry name="vsys1"><zone><entry name="untrust"><network><layer3><member>ethernet1/1</member></layer3></network></entry><entry name="dmz"><network><layer3/></network></entry></zone>
<rulebase><security><rules><entry name="` + webRule + `"><from><member>untrust</member></from><to><member>dmz</member></to>
<source><member>any</member></source><destination><member>any</member></destination><source-user><member>any</member></source-user>
<category><member>any</member></category><application><member>any</member></application><service><member>service-https</member></service>
<profile-setting><profiles><vulnerability><member>strict</member></vulnerability></profiles></profile-setting>
<action>allow</action></entry></rules></security></rulebase></entry></vsys></entry></devices></config>`

// startFirewall starts it. changed is told when an address is tagged.
func startFirewall(changed func(userid.Change)) (*panosim.Sim, error) {
	sim, err := panosim.Start(panosim.Options{Hostname: "LAB-FW-01", Admin: admin, Config: before, CommitTime: 500 * time.Millisecond, OnChange: changed})
	if err == nil {
		sim.Config().SetRole(admin, panosim.RightOperation, panosim.RightUserID, panosim.RightConfiguration, panosim.RightCommit, panosim.RightImport)
	}
	return sim, err
}

// packet has the firewall decide about a packet of a source.
func (s *stage) packet(source, country string, p traffic.Packet) traffic.Verdict {
	p.Source, p.SourceCountry = netip.MustParseAddr(source), country
	p.SourcePort = uint16(40000 + time.Now().Nanosecond()/1000%20000)
	return s.sim.Traffic().Packet(p)
}

// background is what a firewall on the internet sees all day: a friend's connections, and single probes.
func (s *stage) background(ctx context.Context) {
	for i := 0; pause(ctx, 20*time.Millisecond); i++ {
		if i%2 == 0 {
			if v := s.packet(friend, "Australia", to(webServer, 443)); !v.Allowed {
				s.turnedAway.Add(1)
			}
			continue
		}
		source := netip.AddrFrom4([4]byte{203, 0, 113, byte(100 + i/2%120)}).String()
		if v := s.packet(source, "Australia", to(webServer, []int{22, 23, 80}[i/2%3])); v.Rule != sensorRule {
			s.turnedAway.Add(1)
		}
	}
}

// provision makes the firewall's policy what the mode needs, as the command of that name does.
func (s *stage) provision(ctx context.Context) error {
	s.say("policy", "activedefense provision --apply --adopt --commit")
	left, err := enforce.Provision(ctx, s.cfg, enforce.ProvisionOptions{Apply: true, Adopt: true, Commit: true, Version: "demo", Expected: agent.Expected(s.cfg),
		Progress: func(_ string, plan *policy.Plan, done string) {
			if plan != nil {
				for _, step := range plan.Steps {
					s.note("%-6s  %s", step.Action, step.Object)
				}
			}
			if done != "" {
				s.note("%s", done)
			}
		}})
	if err == nil && len(left) > 0 {
		return fmt.Errorf("provisioning has left %d steps, the first: %s", len(left), left[0])
	}
	return err
}

// lacks shows what the firewall has not got before it is provisioned.
func (s *stage) lacks(ctx context.Context) error {
	checks, err := s.check(ctx)
	if err != nil {
		return err
	}
	missing := notPassed(checks)
	s.say("verify", "%d of %d checks do not pass: the firewall has never heard of the agent", len(missing), len(checks))
	for _, c := range missing {
		s.note("%s", clip(c.Result+"  "+c.Check+": "+c.Detail))
	}
	return s.read(ctx)
}

// verify waits until all checks of the policies pass.
func (s *stage) verify(ctx context.Context) error {
	var checks []policy.Check
	var failed error
	err := s.until(ctx, "the policies do not pass", func() bool {
		checks, failed = s.check(ctx)
		return failed != nil || len(checks) > 0 && notPassed(checks) == nil
	})
	if failed != nil {
		return failed
	}
	for _, c := range notPassed(checks) {
		s.note("%s %s: %s", c.Result, c.Check, c.Detail)
	}
	if err == nil {
		s.say("verify", "%d checks of the running configuration, all passed; the rules in their order:", len(checks))
		for _, r := range s.sim.Traffic().Rules("") {
			s.note("%-22s %-6s source %v", r.Name, r.Action, r.Source)
		}
	}
	return err
}

// check looks at the policies once, as the command verify does.
func (s *stage) check(ctx context.Context) (checks []policy.Check, err error) {
	err = s.withStore(ctx, func(st *store.Store) (err error) {
		checks, err = enforce.Verify(ctx, s.cfg, enforce.VerifyOptions{Store: st, Version: "demo", Expected: agent.Expected(s.cfg)})
		return err
	})
	return checks, err
}

// means shows by what the firewall came to know what is blocked: the last commit of the agent, or the last time that it had
// the list fetched. A tag takes neither, and is shown when it comes.
func (s *stage) means() {
	switch s.mode {
	case "address-group":
		if j, ok := s.lastJob("Commit"); ok {
			s.say("commit", "job %d, of the edits of %s alone: %s", j.ID, j.User, strings.Join(j.Details, " "))
		}
	case "edl":
		if j, ok := s.lastJob("EDLRefresh"); ok {
			list, _ := s.sim.Lists().State("", listName)
			s.say("fetched", "%s by job %d, which %s asked for; the firewall holds %s", listName, j.ID, j.User, entries(list.Entries))
		}
	}
}

func entries(n int) string {
	if n == 1 {
		return "1 entry"
	}
	return fmt.Sprint(n, " entries")
}

// lastJob is the last job of a kind that the agent has asked for and that has ended.
func (s *stage) lastJob(kind string) (last jobs.Job, found bool) {
	for _, j := range s.sim.Jobs() {
		if j.Type == kind && j.User == admin && j.Status == "FIN" {
			last, found = j, true
		}
	}
	return last, found
}

func notPassed(checks []policy.Check) (all []policy.Check) {
	for _, c := range checks {
		if c.Result != "pass" {
			all = append(all, c)
		}
	}
	return all
}
