package xmlapi

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Actions of an edit, as PAN-OS calls them.
const (
	actionSet    = "set"    // merges the element into what stands at the xpath
	actionEdit   = "edit"   // replaces what stands at the xpath; the element is the one that the xpath ends with
	actionDelete = "delete" // what is not there is no error
)

// MaxEdits bounds one multi-config message.
const MaxEdits = 500

// Edit is one change of the candidate configuration; Set, Replace and Delete make them.
type Edit struct {
	action  string
	xpath   string
	element *Node // nil for delete
}

// Set merges the element into what stands at the xpath, and makes that where nothing does.
func Set(xpath string, element *Node) Edit { return Edit{actionSet, xpath, element} }

// Replace puts the element in place of what stands at the xpath, which ends with it.
func Replace(xpath string, element *Node) Edit { return Edit{actionEdit, xpath, element} }

// Delete takes away what stands at the xpath; that nothing does is no error.
func Delete(xpath string) Edit { return Edit{actionDelete, xpath, nil} }

// String is the edit in one line.
func (e Edit) String() string {
	text := e.action + " " + e.xpath
	if e.element != nil {
		text += " " + e.element.XML()
	}
	return text
}

// Edit makes edits in their order. All of a message are made or none (PAN-OS documentation of multi-config); of more
// than MaxEdits, or on a version without multi-config, the first ones may stand when an error comes.
func (d *Device) Edit(ctx context.Context, what string, edits []Edit) error {
	if len(edits) == 0 {
		return nil
	}
	if len(edits) == 1 || !d.Version().multiConfig() {
		for _, e := range edits {
			if err := editOne(ctx, d, what, e); err != nil {
				return err
			}
		}
		return nil
	}
	for part := range slices.Chunk(edits, MaxEdits) {
		if err := editMany(ctx, d, what, part); err != nil {
			return err
		}
	}
	return nil
}

func editOne(ctx context.Context, d *Device, what string, e Edit) error {
	form := url.Values{"type": {"config"}, "action": {e.action}, "xpath": {e.xpath}}
	if e.element != nil {
		form.Set("element", e.element.XML())
	}
	_, err := d.communicate(ctx, what, form)
	if e.action == actionDelete && absent(err) {
		return nil
	}
	return err
}

// absent tells whether an error says that what was named is not there. Deleting says it in more ways than reading does.
func absent(err error) bool {
	var e *Error
	if !errors.As(err, &e) || e.Kind != KindAPI {
		return false
	}
	text := strings.ToLower(e.Text)
	return e.Code == 7 || strings.Contains(text, "doesn't exist") || strings.Contains(text, "no such node")
}

func editMany(ctx context.Context, d *Device, what string, edits []Edit) error {
	var b strings.Builder
	b.WriteString("<multi-configure-request>")
	for i, e := range edits {
		fmt.Fprintf(&b, `<%s id="%d" xpath="%s"`, e.action, i+1, Escape(e.xpath))
		if e.element == nil {
			b.WriteString("/>")
			continue
		}
		b.WriteString(">")
		e.element.write(&b)
		b.WriteString("</" + e.action + ">")
	}
	b.WriteString("</multi-configure-request>")
	body, err := d.communicate(ctx, what, url.Values{"type": {"config"}, "action": {"multi-config"}, "element": {b.String()}})
	if err != nil {
		return err
	}
	if err := checkParts(body); err != nil {
		return d.Fail(what, err)
	}
	return nil
}

// checkParts reads the answers inside a multi-config answer, should one of them be an error although the whole is not.
func checkParts(body []byte) error {
	root, err := Parse(body)
	if err != nil {
		return &Error{Kind: KindMalformed, Text: err.Error(), Err: err}
	}
	for _, r := range root.Children {
		if r.Name != "response" {
			continue
		}
		status, code := rootAttrs(r.Attrs)
		if h := (head{Status: status, Code: code, Reason: strings.Join(r.Texts(), " | ")}); !h.ok() {
			return h.err()
		}
	}
	return nil
}

// Move positions, as PAN-OS calls them.
const (
	MoveTop    = "top"
	MoveBottom = "bottom"
)

// Move puts the entry at xpath to the top or bottom of its list. Being there already is no error.
func (d *Device) Move(ctx context.Context, what, xpath, where string) error {
	form := url.Values{"type": {"config"}, "action": {"move"}, "xpath": {xpath}, "where": {where}}
	_, err := d.communicate(ctx, what, form)
	var e *Error
	if errors.As(err, &e) && e.Kind == KindAPI && strings.Contains(strings.ToLower(e.Text), "already at the "+where) {
		return nil
	}
	return err
}
