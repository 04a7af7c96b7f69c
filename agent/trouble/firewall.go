package trouble

import (
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize/english"

	"activedefense/agent/enforce"
	"activedefense/firewall/policy"
)

// downTold is how long a firewall must be away to be a trouble.
const downTold = time.Minute

// Firewalls is what a person should see to about what stands on the firewalls.
func Firewalls(firewalls []enforce.Status, now time.Time) (troubles []Trouble) {
	for i := range firewalls {
		s := &firewalls[i]
		if t, is := down(s, now); is {
			troubles = append(troubles, t)
		}
		for j := range s.Access {
			troubles = append(troubles, access(&s.Access[j], now)...)
		}
		if s.FullSince != nil {
			troubles = append(troubles, short(s))
		}
		if s.RefusedCount > 0 {
			troubles = append(troubles, Trouble{Of: s.Name, What: fmt.Sprintf("refused: firewall %s refused %s: %s", s.Name, english.Plural(s.RefusedCount, "address", ""), strings.Join(s.Refused, ", ")),
				Remedy: "They stay on the list, which the block rules may name too; what the firewall says tells what is wrong with them"})
		}
		if len(s.Undeleted) > 0 {
			troubles = append(troubles, Trouble{Of: s.Name, What: "refused: firewall " + s.Name + " keeps address objects of released addresses: " + strings.Join(s.Undeleted, ", "),
				Remedy: "They are out of our group, and not blocked by it; have what the firewall names refer to an object of its own, and ours go with the next full pass"})
		}
		if s.Strays > 0 {
			troubles = append(troubles, stray(s))
		}
		if s.Brake != "" {
			troubles = append(troubles, Trouble{Of: s.Name, What: "brake: firewall " + s.Name + ": " + s.Brake,
				Remedy: "If the removals are intended, raise firewalls[].max_removal_percent of it, reload, and set it back afterwards"})
		}
	}
	return troubles
}

// stray is a firewall that holds what another put there.
func stray(s *enforce.Status) Trouble {
	what := fmt.Sprintf("strays: firewall %s holds under our tag %s that this database never blocked: %s", s.Name, english.Plural(s.Strays, "address", ""), strings.Join(s.StraysNamed, ", "))
	if s.Strays > len(s.StraysNamed) {
		what += " and others"
	}
	return Trouble{Since: *s.StraysSince, Of: s.Name, What: what + "; none of them is removed",
		Remedy: "If another agent blocks there, give both the same store.url, or this one a tag of its own (firewalls[].tag); if they are left from a former database, " +
			"activedefense store accept takes them away, on all firewalls"}
}

// down is a firewall that has not answered for a minute, or could not be brought level. During a commit of ours it may be silent.
func down(s *enforce.Status, now time.Time) (t Trouble, is bool) {
	since := s.Since
	what := fmt.Sprintf("firewall-down: %s cannot be brought level", s.Name)
	switch {
	case s.Up || s.Committing || s.State == enforce.StateMaintenance:
		return t, false
	case s.State == enforce.StateUnknown && s.ErrorSince == nil:
		return t, false // it has not been asked yet
	case s.State == enforce.StateUnknown:
		since, what = *s.ErrorSince, fmt.Sprintf("firewall-down: %s has not answered since the start", s.Name)
	}
	if now.Sub(since) < downTold {
		return t, false
	}
	if s.Error != "" {
		what += ": " + s.Error
	}
	remedy := "Look whether this host reaches its management address and the key is right: activedefense verify --firewall " + s.Name
	if s.Fallback {
		remedy += ". Meanwhile it blocks by the list, if its policy names it"
	}
	return Trouble{Since: since, What: what, Remedy: remedy, Of: s.Name}, true
}

// short is a firewall whose room runs short.
func short(s *enforce.Status) Trouble {
	what := fmt.Sprintf("capacity: firewall %s is running out of room", s.Name)
	if s.Capacity > 0 {
		what += fmt.Sprintf(": %d of %d used (as %s says)", s.CapacityUsed, s.Capacity, s.CapacityFrom)
	}
	if s.LeftOut > 0 {
		what += ": " + english.Plural(s.LeftOut, "blocked source is", "blocked sources are") + " left out there, forgeable before proven, longest quiet first"
	}
	return Trouble{Since: *s.FullSince, What: what, Of: s.Name,
		Remedy: "Shorten blacklist.release_after, have others release what they registered, name the list in the block rules too, or use a larger model"}
}

// Policies is what a person should see to about the firewalls' policies: one trouble for each firewall.
func Policies(policies []enforce.PolicyStatus) (troubles []Trouble) {
	for _, p := range policies {
		var names []string
		for _, c := range p.Checks {
			if c.Result == policy.ResultFail {
				names = append(names, c.Check)
			}
		}
		if p.State == policy.ResultFail {
			troubles = append(troubles, Trouble{Since: p.Since, What: fmt.Sprintf("verify-failed: what is blocked may pass %s: %s failed (%s)", p.Firewall, english.Plural(len(names), "policy check", ""), strings.Join(names, ", ")),
				Remedy: fmt.Sprintf("activedefense verify --firewall %s says why and what to do; after a commit it is looked at again within six minutes, at once after systemctl reload activedefense", strings.TrimSuffix(p.Firewall, " (peer)")), Of: p.Firewall})
		}
	}
	return troubles
}

// access is what a person should see to about how a firewall is reached: its key, and its certificate.
func access(a *enforce.Access, now time.Time) (troubles []Trouble) {
	say := func(since time.Time, of, remedy, format string, args ...any) {
		troubles = append(troubles, Trouble{Since: since, Of: a.Firewall + "\x00" + of, What: fmt.Sprintf(format, args...), Remedy: remedy})
	}
	whole := "Write the whole key into it: activedefense keygen --force " + a.KeyFile + " does; it is used at once"
	if a.KeyFault != "" {
		say(*a.KeyFaultSince, "file", whole, "key-expiry: %s, the key file of %s, holds no key (it %s), and the one that it held is used for as long as it lasts", a.KeyFile, a.Firewall, a.KeyFault)
	}
	if a.KeyRefused != nil {
		say(*a.KeyRefused, "refused", whole, "key-expiry: %s refuses the key in %s, and the one before is used for as long as it lasts", a.Firewall, a.KeyFile)
	}
	if a.KeyEnds != nil && policy.EndsSoon(*a.KeyMade, *a.KeyEnds, now) {
		what := "ends"
		if !now.Before(*a.KeyEnds) {
			what = "should have ended"
		}
		say(policy.SoonSince(*a.KeyMade, *a.KeyEnds), "ends", policy.RenewKey(a.KeyFile), "key-expiry: the API key of %s %s at %s at the latest, as long as its firewall has keys last after %s was written", a.Firewall, what, a.KeyEnds.UTC().Format(time.RFC3339), a.KeyFile)
	}
	if a.CertificateEnds != nil && !a.Unverified && policy.EndsSoon(*a.CertificateFrom, *a.CertificateEnds, now) {
		what := "is good until"
		if !now.Before(*a.CertificateEnds) {
			what = "ended at"
		}
		say(policy.SoonSince(*a.CertificateFrom, *a.CertificateEnds), "certificate", policy.RenewCertificate, "certificate: that of %s %s %s (of %q), and nothing can be sent to it without a new one", a.Firewall, what, a.CertificateEnds.UTC().Format(time.RFC3339), a.CertificateNamed)
	}
	return troubles
}
