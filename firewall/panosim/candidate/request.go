package candidate

import (
	"fmt"
	"strconv"
	"strings"

	"activedefense/firewall/panosim/answer"
	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/schema"
	"activedefense/firewall/panosim/xmltree"
)

// Edit edits the candidate as an administrator would behind the client's back. The action is one of set, edit,
// delete, rename (content is the new name) and move (content is "top", "bottom", "before NAME" or "after NAME").
// The error has the lines of the firewall's refusal: locks, references and the rules for names and values hold
// here as they do over the wire.
func (c *Config) Edit(admin, action, path, content string) error {
	r := Request{Action: action, Path: path, Content: content}
	switch action {
	case "move":
		r.Where, r.Destination, _ = strings.Cut(content, " ")
	case "rename":
		r.NewName = content
	}
	e, refused := r.edit()
	if refused == nil {
		refused = c.edit(admin, e)
	}
	if refused != nil {
		return fmt.Errorf("%s %s: %w", action, path, refused)
	}
	return nil
}

// Write answers the actions of type=config that change the candidate, one at a time.
func (c *Config) Write(admin string, r Request) answer.Answer {
	e, refused := r.edit()
	if refused == nil {
		c.o.Jobs.Due()
		refused = c.copied(r, e)
	}
	if refused == nil {
		refused = c.edit(admin, e)
	}
	return refused.answer()
}

// Request is what a call of type=config asks for, before it is understood.
type Request struct {
	Action             string // set, edit, delete, move, rename or clone
	Path               string // an xpath
	Content            string // XML, of set and edit
	Where, Destination string // of move
	NewName            string // of rename and clone
	From               string // an xpath, of clone
}

// edit understands the request with what it brings.
func (r Request) edit() (*edit, *refusal) {
	e, refused := r.parse()
	if refused != nil {
		return nil, refused
	}
	var err error
	switch r.Action {
	case "set":
		// What is to be merged may be several elements.
		e.element, err = xmltree.ParseConfig("<set>" + r.Content + "</set>")
	case "edit":
		e.element, err = xmltree.ParseConfig(r.Content)
	}
	if err != nil {
		return nil, refuse(12, "Malformed element: "+err.Error())
	}
	unmark(e.element)
	return e, nil
}

// copied makes of a clone the edit that it is: an entry of a new name in the list that the path means, like another one. Its
// identifier is its own.
func (c *Config) copied(r Request, e *edit) *refusal {
	if r.Action != "clone" {
		return nil
	}
	from, err := xmltree.ParsePath(r.From)
	if err != nil || from.Attribute != "" || !e.path.Single() {
		return badPath()
	}
	found := from.Find(c.journal.candidate.Root)
	if len(found) != 1 || from.Last().Name != "entry" {
		return missing()
	}
	k := xmltree.Key{Element: "entry", ID: r.NewName}
	e.action, e.element = "edit", found[0].Last().Clone()
	e.element.Attributes = k.New().Attributes
	e.path.Steps = append(e.path.Steps, xmltree.Step{Name: k.Element, Chosen: []xmltree.Key{k}})
	if len(e.path.Find(c.journal.candidate.Root)) > 0 {
		return refuse(8, r.NewName+" already exists")
	}
	return nil
}

// parse understands everything but the element.
func (r Request) parse() (*edit, *refusal) {
	path, err := xmltree.ParsePath(r.Path)
	if err != nil || path.Attribute != "" {
		return nil, badPath()
	}
	return &edit{action: r.Action, path: path, where: r.Where, dst: r.Destination, newName: r.NewName}, nil
}

// unmark drops the attributes that a candidate carries and that clients send back as they read them.
func unmark(e *xmltree.Element) {
	if e == nil {
		return
	}
	if e.Attributes["dirtyId"] != "" {
		for _, name := range []string{"admin", "dirtyId", "time"} {
			delete(e.Attributes, name)
		}
	}
	for _, c := range e.Children {
		unmark(c)
	}
}

// edit carries an edit out on the candidate and notes it, unless it is refused.
func (c *Config) edit(admin string, e *edit) *refusal {
	refused := c.locks.refuseEdit(admin, e.path)
	if refused == nil {
		refused = c.judge(e)
	}
	if refused != nil {
		return refused
	}
	c.stamp(admin, e)
	if refused := c.journal.add(e, c.o.Dialect.Unchanged == dialect.UnchangedIgnored); refused != nil {
		return refused
	}
	c.o.Done(admin, e.action, commandPath(e.path), e.path.String())
	return nil
}

// stamp notes on an edit whose it is, when it is made, and how the firewall behaves then.
func (c *Config) stamp(admin string, e *edit) {
	e.choice, e.renamed, e.uuids = c.o.Dialect.Choice, c.o.Dialect.Renamed, c.o.Version.AtLeast(9, 0)
	e.admin, e.id = admin, c.journal.made+1
	// In the order in which pango strips them.
	e.mark = xmltree.NewMark([]string{"admin", "dirtyId", "time"}, []string{admin, strconv.Itoa(e.id), c.o.Now().Format(dialect.LocalTime)})
}

// commandPath writes a path as the configuration log does: what is in the device, with a blank before each element and two
// before each name (recorded).
func commandPath(x xmltree.Path) string {
	var b strings.Builder
	for i, step := range x.Steps[1:] {
		switch {
		case i < 2 && x.Steps[1].Name == "devices":
		case step.Name == "entry" && len(step.Chosen) == 1:
			b.WriteString("  " + step.Chosen[0].ID)
		default:
			b.WriteString(" " + step.Name)
		}
	}
	return b.String()
}

// judge refuses an edit whose element cannot stand where it is to, or that takes away what is in use.
func (c *Config) judge(e *edit) *refusal {
	root := c.journal.candidate.Root
	switch e.action {
	case "delete":
		if lines := schema.InUse(root, e.path.Find(root)); lines != nil {
			return refuse(10, lines...)
		}
		return nil
	case "move":
		return nil
	case "rename":
		return named(e.path.Parent(), e.newName)
	}
	at, scope, ok := schema.Firewall.At(e.path)
	if !ok {
		return refuse(12, "Could not find schema node for xpath "+e.path.String()) // a text that is known
	}
	for n := range e.path.Steps {
		if step := e.path.Steps[n]; n > 0 && step.Name == "entry" && len(step.Chosen) == 1 {
			if refused := named(xmltree.Path{Steps: e.path.Steps[:n]}, step.Chosen[0].ID); refused != nil {
				return refused
			}
		}
	}
	check := schema.Checker{Scope: scope, Empty: c.o.Dialect.EmptyText == dialect.EmptyTextTaken}
	if c.o.Dialect.References == dialect.ReferencesAtEdit {
		check.Names = schema.NewInventory(root, c.o.Pushed.Objects)
		var table *schema.Schema
		if e.action == "edit" {
			table, _, _ = schema.Firewall.At(e.path.Parent())
		}
		check.Names.Bring(at, scope, e.element, table)
	}
	check.Check(at, e.element, e.label(at))
	if len(check.Lines) > 0 {
		return refuse(12, check.Lines...)
	}
	return nil
}

// label is how the lines of a refusal begin: with the element that was sent.
func (e *edit) label(at *schema.Schema) []string {
	step := e.path.Last()
	switch {
	case e.action == "set" && at != nil && !at.Leaf && !at.List:
		return nil
	case len(step.Chosen) == 1 && step.Name == "entry":
		return []string{step.Chosen[0].ID}
	}
	return []string{step.Name}
}

// base counts the steps that lead to the innermost entry on the path that is there; without any, it is 1, the root.
// Elements that are no entries do not count: a list is made with its first entry and belongs to nobody.
func base(x xmltree.Path, root *xmltree.Element) int {
	for n := len(x.Steps); n > 1; n-- {
		if x.Steps[n-1].Name == "entry" && len((xmltree.Path{Steps: x.Steps[:n]}).Find(root)) > 0 {
			return n
		}
	}
	return 1
}

// named refuses a name that an entry of the table at the path cannot have.
func named(x xmltree.Path, name string) *refusal {
	if strings.ContainsFunc(name, func(r rune) bool { return !xmltree.IsText(r) }) {
		return refuse(12, "is an invalid name")
	}
	if at, _, _ := schema.Firewall.At(x); at != nil && at.Entry != nil {
		if wrong := at.BadName(name); wrong != "" {
			return refuse(12, strings.TrimSpace(name+" "+wrong))
		}
	}
	return nil
}
