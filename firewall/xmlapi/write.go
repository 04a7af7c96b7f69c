package xmlapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/url"
	"slices"
	"strings"
)

// Actions of an edit, as PAN-OS calls them.
const (
	actionSet    = "set"    // merges the element into what stands at the xpath
	actionEdit   = "edit"   // replaces what stands at the xpath; the element is the one that the xpath ends with
	actionDelete = "delete" // what is not there is no error
	actionImport = "import" // a call of its own: the element is what the firewall makes of the file
)

// MaxEdits bounds one multi-config message.
const MaxEdits = 500

// Edit is one change of the candidate configuration; Set, Replace, Delete and ImportCertificate make them.
type Edit struct {
	action  string
	xpath   string
	element *Node // nil for delete

	template string // of an import: on Panorama, the template that takes the file in; "": the firewall itself
}

// Set merges the element into what stands at the xpath, and makes that where nothing does.
func Set(xpath string, element *Node) Edit {
	return Edit{action: actionSet, xpath: xpath, element: element}
}

// Replace puts the element in place of what stands at the xpath, which ends with it.
func Replace(xpath string, element *Node) Edit {
	return Edit{action: actionEdit, xpath: xpath, element: element}
}

// Delete takes away what stands at the xpath; that nothing does is no error.
func Delete(xpath string) Edit { return Edit{action: actionDelete, xpath: xpath} }

// Imports tells whether the edit is the import of a file.
func (e Edit) Imports() bool { return e.action == actionImport }

// Deletes tells whether the edit takes something away.
func (e Edit) Deletes() bool { return e.action == actionDelete }

// XPath is where the edit is made: what it replaces or deletes, or what it merges its element into.
func (e Edit) XPath() string { return e.xpath }

// Element is what the edit brings; nil: nothing.
func (e Edit) Element() *Node { return e.element }

// With is the edit with another element.
func (e Edit) With(element *Node) Edit { e.element = element; return e }

// String is the edit in one line.
func (e Edit) String() string {
	text := e.action + " " + e.xpath
	if e.element != nil {
		text += " " + e.element.XML()
	}
	return text
}

// Edit makes edits in their order. All of a message are made or none (PAN-OS documentation of multi-config); of more
// than MaxEdits, with an import among them, or on a version without multi-config, the first ones may stand when an error comes.
func (d *Device) Edit(ctx context.Context, what string, edits []Edit) error {
	if len(edits) == 0 {
		return nil
	}
	imports := slices.ContainsFunc(edits, Edit.Imports)
	if len(edits) == 1 || imports || !d.Version().MultiConfig() {
		for _, run := range runs(edits) {
			if err := editRun(ctx, d, what, run); err != nil {
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

// maxXPath bounds an xpath that names several entries; pango has the same for versions before 10.1.5 (util.go of v0.10.2).
const maxXPath = 25_000

// runs parts edits into those that can be one call: deletions of entries of one list, one behind the other, which versions before 10.1.5
// take as entry[@name='a' or @name='b'].
func runs(edits []Edit) (all [][]Edit) {
	list := func(e Edit) string {
		at, _, named := strings.Cut(e.xpath[strings.LastIndex(e.xpath, "/")+1:], "entry[@name=")
		if !e.Deletes() || !named || at != "" {
			return ""
		}
		return e.xpath[:strings.LastIndex(e.xpath, "/")]
	}
	length := 0
	for i, e := range edits {
		if length += len(e.xpath); i == 0 || list(e) == "" || list(e) != list(edits[i-1]) || length > maxXPath {
			all, length = append(all, nil), len(e.xpath)
		}
		all[len(all)-1] = append(all[len(all)-1], e)
	}
	return all
}

// editRun makes edits that can be one call. Where one of several entries is not there, no source says what became of the others.
func editRun(ctx context.Context, d *Device, what string, run []Edit) error {
	if len(run) > 1 {
		at := strings.LastIndex(run[0].xpath, "/") + len("/entry")
		conditions := make([]string, len(run))
		for i, e := range run {
			conditions[i] = strings.TrimSuffix(e.xpath[at+1:], "]")
		}
		body, err := d.communicate(ctx, what, url.Values{"type": {"config"}, "action": {actionDelete}, "xpath": {run[0].xpath[:at+1] + strings.Join(conditions, " or ") + "]"}})
		if err != nil && !absent(err) {
			return err
		}
		if root, fault := Parse(body); err == nil && fault == nil {
			if _, code := rootAttrs(root.Attrs); code != 7 {
				return nil
			}
		}
	}
	for _, e := range run {
		if err := editOne(ctx, d, what, e); err != nil {
			return err
		}
	}
	return nil
}

func editOne(ctx context.Context, d *Device, what string, e Edit) error {
	if e.action == actionImport {
		return importCertificate(ctx, d, what, e)
	}
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

// ImportCertificate has the firewall take in one certificate without a key, PEM, as a file: by type=import, upon which it
// fills in what belongs to a certificate (subject, end, whether it is a CA) and an edit would leave out. It goes straight to
// the candidate configuration, below /config/shared (configuration log of a PA-850), in place of one of the same name, and
// takes effect with a commit. The role needs the right import (pan-os-codegen, certificate_import_crud.go). Through a Panorama it
// is refused with KindUnsupported: no client passes an import on (pan-python sends target with every other call), and where it
// is ignored the certificate would land on the Panorama itself.
func ImportCertificate(name string, pem []byte) Edit {
	return Edit{action: actionImport, xpath: SharedPath + "/certificate" + EntryNamed(name),
		element: NamedEntry(name, Leaf("public-key", string(bytes.TrimSpace(pem))), Leaf("ca", "yes"))}
}

// ImportInto is ImportCertificate into a template of a Panorama's, by the parameter target-tpl (pan-os-codegen,
// certificate_import_crud.go); shared is the xpath of the template's config/shared. It needs a Device that is the Panorama itself.
func ImportInto(template, shared, name string, pem []byte) Edit {
	e := ImportCertificate(name, pem)
	e.template, e.xpath = template, shared+"/certificate"+EntryNamed(name)
	return e
}

func importCertificate(ctx context.Context, d *Device, what string, e Edit) error {
	entry := e.element
	name := entry.Attr("name")
	query := url.Values{"category": {"certificate"}, "certificate-name": {name}, "format": {"pem"}}
	if e.template != "" {
		query.Set("target-tpl", e.template)
	}
	return upload(ctx, d, CallConfig, what, query, name+".pem", entry.Value("public-key")+"\n")
}

// TryImport asks for an import without a file, to learn whether the administrator may import; nothing is imported. That a
// firewall looks at the role before it misses the file no source shows.
func (d *Device) TryImport(ctx context.Context, kind, what string) error {
	return upload(ctx, d, kind, what, url.Values{"category": {"certificate"}}, "", "")
}

// upload posts a file as the part "file" of a form; filename "" sends none. The parameters stand in the address, as in the
// vendor's clients.
func upload(ctx context.Context, d *Device, kind, what string, query url.Values, filename, content string) error {
	if d.opts.Target != "" {
		return d.Fail(what, &Error{Kind: KindUnsupported, Text: "a file cannot be imported on a firewall through Panorama; use the firewall's own address, or import it there"})
	}
	query.Set("type", "import")
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	if filename != "" {
		part, err := form.CreateFormFile("file", filename)
		if err != nil {
			return d.Fail(what, err)
		}
		_, _ = part.Write([]byte(content)) // a bytes.Buffer does not fail
	}
	_ = form.Close()
	_, err := d.call(ctx, kind, what, func() ([]byte, error) {
		resp, err := d.transport.deliver(ctx, d.address+"?"+query.Encode(), form.FormDataContentType(), body.Bytes(), query, true)
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		return io.ReadAll(resp.Body) // which is bounded, see bounds.go
	})
	return err
}
