package xmlapi

import (
	"context"
	"slices"
	"strconv"
	"strings"
)

// WhoAmI finds out as whom an API key acts. Some versions mark the session that asks in the list of administrators; others tell
// nobody: there it makes an edit, a tag object of the given name, looks who is named beside it, and takes it back. What stands
// beside other edits, also of our objects, may be somebody else's, whose work would be published under our name.
func WhoAmI(ctx context.Context, d *Device, name string) (string, error) {
	return WhoAmIAt(ctx, d, VSysPath(d.opts.VSys)+"/tag", name)
}

// WhoAmIAt is WhoAmI with the list of tags in which the edit is made, such as that of a Panorama's device group.
func WhoAmIAt(ctx context.Context, d *Device, list, name string) (string, error) {
	const what = "determine our administrator name"
	// Behind a Panorama the session is its own.
	if !d.ThroughPanorama() {
		if admin := LoggedInAs(ctx, d, what); admin != "" {
			return admin, nil
		}
	}
	for try := range whoTries {
		if admin, err := editAndLook(ctx, d, what, list, name, try); admin != "" || err != nil {
			return admin, err
		}
	}
	return "", d.Fail(what, &Error{Kind: KindUnsupported,
		Text: "the firewall does not report who made our changes: set commit_admin to the administrator whose API key is used"})
}

// whoTries is how often the edit is made: a commit of ours for another virtual system may publish it before anybody is named.
const whoTries = 3

// editAndLook makes the edit, gives who is named beside it, and takes it back.
func editAndLook(ctx context.Context, d *Device, what, list, name string, try int) (string, error) {
	at := list + EntryNamed(name)
	// A left-over of the same content could be no edit at all.
	comment := "Active Defense: temporary, " + strconv.FormatInt(d.opts.Now().UnixNano()+int64(try), 10)
	if err := d.Edit(ctx, what, []Edit{Set(list, NamedEntry(name, Leaf("comments", comment)))}); err != nil {
		return "", err
	}
	admin, err := EditorOf(ctx, d, at)
	if e := d.Edit(ctx, what, []Edit{Delete(at)}); err == nil {
		err = e
	}
	if err != nil {
		return "", err
	}
	return admin, nil
}

// LoggedInAs gives the administrator whose session is marked as the one that asks, by <self/>; "": none is, several are, or the list
// is not told. It changes nothing. Behind a Panorama the session is Panorama's own.
func LoggedInAs(ctx context.Context, d *Device, what string) string {
	result, err := d.OpIn(ctx, CallConfig, what, "<show><admins></admins></show>", "")
	if err != nil {
		return ""
	}
	name := ""
	for _, e := range result.Child("admins").Entries() {
		switch admin := e.Value("admin"); {
		case e.Child("self") == nil || admin == name:
		case name != "":
			return ""
		default:
			name = admin
		}
	}
	return name
}

// EditorOf gives the administrator whose edits at or below an xpath are not committed; "": there are none.
func EditorOf(ctx context.Context, d *Device, xpath string) (string, error) {
	const what = "read who changed it"
	at, err := d.Get(ctx, what, xpath)
	if err != nil {
		return "", err
	}
	if name := editor(at); name != "" {
		return name, nil
	}
	changes, err := journal(ctx, d, what)
	if err != nil {
		return "", err
	}
	for _, e := range changes {
		if strings.HasPrefix(e.Value("xpath"), xpath) {
			return e.Value("owner"), nil
		}
	}
	return "", nil
}

// PendingEdit is a place of the configuration that was edited and not committed.
type PendingEdit struct {
	XPath  string
	Admin  string // who edited it; "": the firewall does not tell
	Action string // the last edit there, as the firewall calls it: ActionCreate, ActionDelete and so on
}

// Actions of a PendingEdit.
const (
	ActionCreate = "CREATE" // of what the running configuration has not, whatever was edited there since
	ActionDelete = "DELETE"
	ActionRename = "RENAME" // under the former name
)

// PendingEdits gives the edits that are not committed, a place that several edited once for each: the owner is who did so last, and all stand in the
// history; none: there are none, or the firewall does not tell.
func PendingEdits(ctx context.Context, d *Device) (edits []PendingEdit, err error) {
	changes, err := journal(ctx, d, "read whose edits are not committed")
	for _, e := range changes {
		by := []string{e.Value("owner")}
		for name := range strings.SplitSeq(e.Value("admin-history"), ",") {
			if name = strings.TrimSpace(name); name != "" && !slices.Contains(by, name) {
				by = append(by, name)
			}
		}
		for _, name := range by {
			edits = append(edits, PendingEdit{e.Value("xpath"), name, strings.ToUpper(e.Value("action"))})
		}
	}
	return edits, err
}

// journal gives the edits that are not committed.
func journal(ctx context.Context, d *Device, what string) ([]*Node, error) {
	changes, err := d.OpIn(ctx, CallConfig, what, "<show><config><list><changes></changes></list></config></show>", "")
	return changes.Child("journal").Entries(), err
}

// editor gives the administrator who is named beside the edits in n, the deepest one first; "" if none is named.
func editor(n *Node) string {
	if n == nil {
		return ""
	}
	for _, c := range n.Children {
		if name := editor(c); name != "" {
			return name
		}
	}
	return strings.TrimSpace(n.Attr("admin"))
}
