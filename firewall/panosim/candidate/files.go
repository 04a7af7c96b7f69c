package candidate

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"activedefense/firewall/panosim/answer"
	"activedefense/firewall/panosim/xmltree"
)

// runningFile is the name of the running configuration among the saved ones.
const runningFile = "running-config.xml"

// maxFiles bounds the configurations that are kept under a name.
const maxFiles = 100

// Files are the configurations that are kept under a name.
type Files struct {
	config *Config
	saved  map[string]*xmltree.Element
}

// file gives a configuration that is kept under a name; false: there is none.
func (f *Files) file(name string) (*xmltree.Element, bool) {
	if name == runningFile {
		return f.config.Running(), true
	}
	root, ok := f.saved[name]
	return root, ok
}

// keep takes a configuration in under a name, in place of one that has it.
func (f *Files) keep(name string, root *xmltree.Element) *refusal {
	switch {
	case name == "" || name == runningFile || strings.ContainsAny(name, "/\\\x00\r\n"):
		return refuse(17, "'"+name+"' is an invalid file name")
	case f.saved[name] == nil && len(f.saved) >= maxFiles:
		return refuse(13, fmt.Sprintf("%d configurations are saved; delete one", maxFiles))
	}
	f.saved[name] = root
	return nil
}

// ImportConfiguration answers the import of a configuration: it is kept under the name of the file, and neither runs nor is it
// the candidate until it is loaded. No source shows the answers; the texts are ours.
func (f *Files) ImportConfiguration(name, text string) answer.Answer {
	root, err := xmltree.ParseConfig(text)
	if err != nil || root.Name != "config" {
		return refuse(0, "Import of "+name+" failed. Not a configuration").answer()
	}
	if refused := f.keep(name, root); refused != nil {
		return refused.answer()
	}
	return answer.Success("<msg><line>" + answer.Escape(name) + " saved</line></msg>")
}

// ExportConfiguration answers the export of a saved configuration; "" is the running one. What comes is the file itself, no response.
func (f *Files) ExportConfiguration(name string) answer.Answer {
	if name == "" {
		name = runningFile
	}
	root, ok := f.file(name)
	if !ok {
		return answer.Failure(0, name+" does not exist")
	}
	a := answer.XML(http.StatusOK, root.String())
	a.File = name
	return a
}

// Certificate gives a certificate of the running configuration, shared or of a virtual system, as PEM; "": there is none.
func (f *Files) Certificate(name string) string {
	root := f.config.Running()
	places := append([]*xmltree.Element{root.Child("shared")}, root.Down("devices", "entry=localhost.localdomain", "vsys").Entries()...)
	for _, place := range places {
		if pem := place.Child("certificate").Entry(name).Value("public-key"); pem != "" {
			return pem
		}
	}
	return ""
}

// Load answers "load config from FILE": what was edited is dropped, and the candidate is what the file says. Of the running
// configuration that leaves no edits.
func (f *Files) Load(r answer.Request) answer.Answer {
	name, c := r.At.Value("from"), f.config
	c.o.Jobs.Due()
	root, ok := f.file(name)
	if !ok {
		return answer.Failure(0, name+" does not exist")
	}
	if refused := c.locks.refuseRevert(r.Admin); refused != nil {
		return refused.answer()
	}
	c.journal.revert(func(*edit) bool { return true })
	for _, was := range c.journal.running.Children {
		if now := root.Find(was.Key()); now == nil {
			f.load(r.Admin, &edit{action: "delete", path: topLevel(was)})
		}
	}
	for _, e := range root.Children {
		if !e.Equal(c.journal.running.Find(e.Key())) {
			f.load(r.Admin, &edit{action: "edit", path: topLevel(e), element: e})
		}
	}
	return answer.Success("<result><msg><line>Config loaded from " + answer.Escape(name) + "</line></msg></result>")
}

func topLevel(e *xmltree.Element) xmltree.Path {
	return xmltree.Path{Steps: []xmltree.Step{{Name: "config"}, {Name: e.Name}}}
}

// load carries out a part of a load, which no schema judges before it is committed.
func (f *Files) load(admin string, e *edit) {
	f.config.stamp(admin, e)
	// Its path leads to a child of the root, so nothing can be refused.
	_ = f.config.journal.add(e, true)
}

// Save answers "save config to FILE", of the candidate.
func (f *Files) Save(r answer.Request) answer.Answer {
	name := r.At.Value("to")
	if refused := f.keep(name, f.config.Candidate()); refused != nil {
		return refused.answer()
	}
	return answer.Success("<result>Config saved to " + answer.Escape(name) + "</result>")
}

// ShowSaved answers "show config saved FILE", and the list of those that there are.
func (f *Files) ShowSaved(r answer.Request) answer.Answer {
	if name := r.At.Text; name != "" {
		root, ok := f.file(name)
		if !ok {
			return answer.Failure(0, name+" does not exist")
		}
		return answer.Success("<result>" + root.String() + "</result>")
	}
	var b strings.Builder
	answer.WriteMembers(&b, "files", append([]string{runningFile}, slices.Sorted(maps.Keys(f.saved))...))
	return answer.Success("<result>" + b.String() + "</result>")
}

// DeleteSaved answers "delete config saved FILE".
func (f *Files) DeleteSaved(r answer.Request) answer.Answer {
	name := r.At.Text
	if f.saved[name] == nil {
		return answer.Failure(0, name+" does not exist")
	}
	delete(f.saved, name)
	return answer.Success("<result>" + answer.Escape(name) + " deleted</result>")
}
