package trouble

import (
	"fmt"
	"slices"
	"time"

	"activedefense/agent/edl"
	"activedefense/config"
	"activedefense/firewall"
	"activedefense/firewall/policy"
)

// unfetchedAfter is when a list that nobody has fetched since the start is a trouble: three turns of the shortest interval that
// PAN-OS has.
const unfetchedAfter = 15 * time.Minute

const (
	// notServedAfter is when it is a trouble that there is no list, or an old one: a start takes a moment.
	notServedAfter = time.Minute
	// expiresSoon is when a certificate of one's own should have been renewed; the agent's are renewed long before.
	expiresSoon = 14 * 24 * time.Hour
	// caEndsSoon is when it is told that the agent's CA ends, for a new one is to be imported on every firewall.
	caEndsSoon = 60 * 24 * time.Hour
)

// Reload is what a person should see to about a reload that was refused, for its faults or, with the configuration valid, since it cannot
// work on this host; nil: it was not.
func Reload(refused *time.Time, loaded time.Time, faults []string, here bool) []Trouble {
	if refused == nil {
		return nil
	}
	what := fmt.Sprintf("reload-refused: the configuration as it is now was refused, and the one loaded %s stays in use", loaded.Format(time.RFC3339))
	if len(faults) > 0 {
		what += ": " + faults[0]
	}
	if n := len(faults) - 1; n > 0 {
		what += fmt.Sprintf(" (and %d more)", n)
	}
	remedy := "activedefense check names every fault; then reload again"
	if here {
		remedy = "The file is valid, and cannot work on this host as it is now: free what it asks for, or change that key; then reload again"
	}
	return []Trouble{{Since: *refused, What: what, Remedy: remedy}}
}

// List is what a person should see to about those who fetch the list: a client that stopped, and, where a firewall blocks
// by the list alone, that nobody ever came.
func List(list *edl.Status, cfg *config.Config, started, now time.Time) (troubles []Trouble) {
	const remedy = "Look on the firewall whether it reaches edl.url and trusts its certificate: request system external-list refresh type ip name NAME, then show jobs all; what has been switched off is forgotten after a week"
	for _, c := range list.Clients {
		if c.Stopped && !cfg.LeftAlone(c.Addr.String()) {
			troubles = append(troubles, Trouble{Of: c.Addr.String(), Since: c.LastFetch,
				What: fmt.Sprintf("list-unfetched: %s fetched the list regularly and has stopped; if it is a firewall, it goes on with its last copy", c.Addr), Remedy: remedy})
		}
	}
	byList := slices.ContainsFunc(cfg.Firewalls, func(fw config.Firewall) bool { return fw.Mode == firewall.ModeList && !fw.Maintenance })
	if byList && list.Loaded && list.Fetches == 0 && now.Sub(started) >= unfetchedAfter {
		troubles = append(troubles, Trouble{Since: started, What: "list-unfetched: nobody has fetched the list since the start, and a firewall of mode edl blocks by nothing else", Remedy: remedy})
	}
	switch {
	case !list.Loaded && now.Sub(started) >= notServedAfter:
		troubles = append(troubles, Trouble{Since: started, What: "list: there is none yet, and whoever fetches it is answered with 503: firewalls go on with their copies",
			Remedy: "It is served when the store could be read once: see there"})
	case list.LastGood && now.Sub(started) >= notServedAfter:
		troubles = append(troubles, Trouble{Since: started, What: fmt.Sprintf("list: it is served as it was last saved, as of %s", list.Updated.Format(time.RFC3339)),
			Remedy: "It is renewed when the store can be read: see there"})
	}
	if list.SaveError != "" {
		troubles = append(troubles, Trouble{Of: "save", What: "list: it cannot be saved for a start without the store: " + list.SaveError, Remedy: "Make room in state_dir, and see that the daemon's user may write there"})
	}
	return append(troubles, certificate(list, now)...)
}

// certificate is what a person should see to about that of the list.
func certificate(list *edl.Status, now time.Time) (troubles []Trouble) {
	const anew = "Have edl.tls.cert_file issued anew with it among the alternative names (SAN); it is read again by itself"
	held := "none: a common name does not count"
	if len(list.CertNames) > 0 {
		held = some(list.CertNames)
	}
	if list.CertLacks != "" {
		troubles = append(troubles, Trouble{Of: "url", What: fmt.Sprintf("certificate: that of the list lacks %s, the host of edl.url, and a firewall that checks the name does not enforce the list; its names: %s", list.CertLacks, held),
			Remedy: anew + ". Or set edl.url to a name that it has, reload, and provision the firewalls"})
	}
	if len(list.Asked) > 0 {
		var who []string
		for _, a := range list.Asked {
			who = append(who, fmt.Sprintf("%s for %s", a.Client, a.Name))
		}
		troubles = append(troubles, Trouble{Of: "asked", Since: list.Asked[0].First, What: fmt.Sprintf("certificate: that of the list lacks what clients ask for, and one that checks the name does not take the list: %s; its names: %s", some(who), held),
			Remedy: anew + ", or have the clients use one that it has. Strangers are kept away by edl.allow. It is told until two hours after the last such client"})
	}
	if ends := list.CAEnds; !ends.IsZero() && ends.Sub(now) < caEndsSoon {
		troubles = append(troubles, Trouble{Of: "ca", Since: ends.Add(-caEndsSoon), What: "certificate: the CA of the list, " + list.CAFile + ", ends at " + ends.Format(time.RFC3339) + ", and the list's certificate with it: firewalls go on with their last copies then",
			Remedy: policy.RenewCA})
	}
	switch left := list.CertNotAfter.Sub(now); {
	case list.CertError != "":
		troubles = append(troubles, Trouble{What: "certificate: no new one can be had for the list, and firewalls get no list any more when the present one ends: " + list.CertError,
			Remedy: "See that the daemon's user may read edl.tls.cert_file and edl.tls.key_file, or write to state_dir, and that they are valid"})
	case list.CertInvalid != "":
		troubles = append(troubles, Trouble{What: "certificate: that of the list is not valid: " + list.CertInvalid + "; connections are closed, and firewalls go on with their last copies",
			Remedy: "Look whether this host's clock is right, and renew edl.tls.cert_file; it is read again by itself"})
	case !list.CertNotAfter.IsZero() && left < expiresSoon:
		since := list.CertNotAfter.Add(-expiresSoon)
		if since.Before(list.CertNotBefore) {
			since = list.CertNotBefore // it was issued for less
		}
		troubles = append(troubles, Trouble{Since: since, What: "certificate: that of the list ends at " + list.CertNotAfter.Format(time.RFC3339) + "; connections are closed then, and firewalls go on with their last copies",
			Remedy: "Renew edl.tls.cert_file; it is read again by itself"})
	}
	return troubles
}
