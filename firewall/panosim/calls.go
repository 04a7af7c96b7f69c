package panosim

import (
	"fmt"
	"net/http"

	"activedefense/firewall/panosim/answer"
	"activedefense/firewall/panosim/candidate"
	"activedefense/firewall/panosim/userid"
	"activedefense/firewall/panosim/xmltree"
)

// classifyConfig chooses what answers a call of type=config.
func (c *call) classifyConfig() {
	action := c.form.Get("action")
	switch action {
	case "get", "show":
		c.kind, c.run = KindConfigRead, readConfig
	case "set", "edit", "delete", "move", "rename", "clone":
		c.kind, c.run = KindConfigWrite, writeConfig
	case "multi-config":
		c.kind, c.run = KindMultiConfig, multiConfig
	case "":
		c.run = func(*Sim, *call) answer.Answer { return answer.BadRequest(`Missing value for parameter "action".`) }
		return
	default:
		c.run = func(*Sim, *call) answer.Answer { return answer.BadRequest(`Illegal value for parameter "action".`) }
		return
	}
	if action == "show" && c.form.Get("xpath") == "" {
		c.form.Set("xpath", "/config") // pan-python's live tests rely on it
	}
	for _, name := range needed(action) {
		if c.form.Get(name) == "" {
			c.run = func(*Sim, *call) answer.Answer {
				return answer.BadRequest(fmt.Sprintf(`Missing value for parameter %q.`, name))
			}
			return
		}
	}
}

// needed lists the parameters without which an action makes no sense.
func needed(action string) []string {
	switch action {
	case "set", "edit":
		return []string{"xpath", "element"}
	case "multi-config":
		return []string{"element"}
	case "move":
		return []string{"xpath", "where"}
	case "rename":
		return []string{"xpath", "newname"}
	case "clone":
		return []string{"xpath", "from", "newname"}
	}
	return []string{"xpath"}
}

// readConfig answers action=get, of the candidate, and action=show, of the running configuration.
func readConfig(s *Sim, c *call) answer.Answer {
	s.mu.Lock()
	view := s.config.View(c.form.Get("action") == "get")
	s.mu.Unlock()
	return view.Read(c.form.Get("xpath"))
}

// writeConfig answers the actions that change the candidate, one at a time.
func writeConfig(s *Sim, c *call) answer.Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.config.Write(c.admin, candidate.Request{
		Action: c.form.Get("action"), Path: c.form.Get("xpath"), Content: c.form.Get("element"),
		Where: c.form.Get("where"), Destination: c.form.Get("dst"), NewName: c.form.Get("newname"), From: c.form.Get("from"),
	})
}

// multiConfig answers action=multi-config.
func multiConfig(s *Sim, c *call) answer.Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.config.Multi(c.admin, c.form.Get("element"), c.form.Get("strict-transactional") == "yes")
}

// requestCommit answers type=commit. Clients send action=partial with a partial commit, or none at all; action=all is a
// Panorama's.
func requestCommit(s *Sim, c *call) answer.Answer {
	action := c.form.Get("action")
	if action != "" && action != "partial" {
		return answer.BadRequest(`Illegal value for parameter "action".`)
	}
	cmd, err := xmltree.Parse(c.form.Get("cmd"))
	if err != nil {
		return answer.Failure(18, "Malformed command")
	}
	if cmd.Name != "commit" {
		return answer.Unexpected(cmd)
	}
	if partial := cmd.Child("partial") != nil || cmd.Child("force").Child("partial") != nil; action == "partial" && !partial {
		return answer.Failure(17, "commit -> partial is missing")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.config.RequestCommit(c.admin, cmd)
}

// userID answers type=user-id.
func userID(s *Sim, c *call) answer.Answer {
	text := c.form.Get("cmd")
	if text == "" {
		return answer.BadRequest(`Missing value for parameter "cmd".`)
	}
	m, err := userid.ParseMessage(text)
	if err != nil {
		return answer.Failure(0, err.Error())
	}
	s.mu.Lock()
	a, entries, changes := s.registry.CarryOut(c.form.Get("vsys"), m)
	s.mu.Unlock()
	s.meter.message(entries)
	s.tell(changes)
	return a
}

// locking has what answers a call run with the lock held.
func locking(run func(*Sim, *call) answer.Answer) func(*Sim, *call) answer.Answer {
	return func(s *Sim, c *call) answer.Answer {
		s.mu.Lock()
		defer s.mu.Unlock()
		return run(s, c)
	}
}

// missing gives the refusal of a call without one of these parameters; false: it has them all.
func (c *call) missing(names ...string) (answer.Answer, bool) {
	for _, name := range names {
		if c.form.Get(name) == "" {
			return answer.BadRequest(fmt.Sprintf(`Missing value for parameter %q.`, name)), true
		}
	}
	return answer.Answer{}, false
}

// importFile answers type=import. Of the kinds of files only configurations, and certificates without a key, as PEM, are simulated.
func importFile(s *Sim, c *call) answer.Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.form.Get("category") == "configuration" {
		return s.config.Files().ImportConfiguration(c.form.Get("file-name"), c.form.Get("cmd"))
	}
	if a, incomplete := c.missing("category", "certificate-name", "format"); incomplete {
		return a
	}
	if c.form.Get("category") != "certificate" || c.form.Get("format") != "pem" {
		return answer.BadRequest(`Illegal value for parameter "category" or "format".`)
	}
	template := c.form.Get("target-tpl")
	if template != "" && (s.panorama == nil || !s.config.HasTemplate(template)) {
		return answer.BadRequest(`Illegal value for parameter "target-tpl".`)
	}
	return s.config.ImportCertificate(c.admin, template, c.form.Get("certificate-name"), c.form.Get("cmd"))
}

// wellKnown is an authority that PAN-OS trusts by itself, of many. In its place stands the one of the simulated firewall.
const wellKnown = "0041_Entrust.net_Certification_Authority_(2048)"

// exportFile answers type=export, of the same kinds of files. Keys are not given out.
func exportFile(s *Sim, c *call) answer.Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.form.Get("category") == "configuration" {
		return s.config.Files().ExportConfiguration(c.form.Get("from"))
	}
	if a, incomplete := c.missing("category", "certificate-name", "format", "include-key"); incomplete {
		return a
	}
	if c.form.Get("category") != "certificate" || c.form.Get("format") != "pem" || c.form.Get("include-key") != "no" {
		return answer.BadRequest(`Illegal value for parameter "category", "format" or "include-key".`)
	}
	name := c.form.Get("certificate-name")
	pem := s.config.Files().Certificate(name)
	if name == wellKnown {
		pem = string(s.cert.authority)
	}
	if pem == "" {
		return answer.Failure(0, "Certificate "+name+" does not exist")
	}
	return answer.Answer{Status: http.StatusOK, ContentType: "application/octet-stream", Body: []byte(pem), File: name + ".pem"}
}
