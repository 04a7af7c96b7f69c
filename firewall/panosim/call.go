package panosim

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"activedefense/firewall/panosim/answer"
)

// Kinds of call, as Fault selects them and Stats counts them.
const (
	KindKeygen       = "keygen"
	KindUserID       = "user-id"
	KindRegisteredIP = "registered-ip"
	KindSystemInfo   = "system-info"
	KindPlugins      = "plugins"
	KindConfigRead   = "config-read"  // get and show
	KindConfigWrite  = "config-write" // set, edit, delete, move, rename, clone
	KindMultiConfig  = "multi-config"
	KindCommit       = "commit"      // enqueueing one
	KindValidate     = "validate"    // enqueueing one
	KindJobs         = "jobs"        // reading the list of jobs, or one of them
	KindLocks        = "locks"       // reading, taking and giving back locks
	KindChanges      = "changes"     // asking what is not committed
	KindRevert       = "revert"      // dropping what is not committed
	KindConfigFile   = "config-file" // show config running, candidate and the like

	KindGroups        = "dynamic-address-groups"
	KindListRefresh   = "list-refresh"
	KindListShow      = "list-show"
	KindTargetVSys    = "target-vsys"
	KindSessions      = "sessions" // reading them
	KindClearSessions = "clear-sessions"

	KindCapacity = "capacity" // asking for the platform's limits

	KindHA      = "high-availability" // about the pair
	KindNetwork = "network"           // reading the state of the network
	KindPushed  = "pushed-policy"     // reading what Panorama pushed to a firewall
	KindDevices = "devices"           // asking a Panorama for its firewalls

	KindImport = "import" // taking in a file
	KindExport = "export" // giving one out
	KindLog    = "log"    // asking for logs, and fetching what was found
	KindReport = "report" // the same of reports

	KindOther = "other" // everything that is not simulated, or that could not be understood
)

// call is one request, understood as far as its kind.
type call struct {
	form  url.Values
	key   string
	admin string // to whom the key belongs, once it is found valid
	size  int64  // bytes of the body
	kind  string
	run   func(*Sim, *call) answer.Answer
	free  bool // needs no key
}

// counter counts what is read through it.
type counter struct {
	io.Reader
	io.Closer
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	return n, err
}

// understand reads the request, whatever way its parameters come, and finds out what it asks.
func understand(w http.ResponseWriter, r *http.Request, maxRequest int64) *call {
	c := &call{kind: KindOther}
	if len(r.URL.RawQuery) > maxQuery {
		return c.refuse(answer.Page(http.StatusRequestURITooLong))
	}
	limited := http.MaxBytesReader(w, r.Body, maxRequest)
	body := &counter{Reader: limited, Closer: limited}
	r.Body = body
	err := parseForm(r, maxRequest)
	c.size = max(body.n, r.ContentLength)
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return c.refuse(answer.Page(http.StatusRequestEntityTooLarge))
	}
	if err != nil {
		return c.refuse(answer.BadRequest("Malformed request"))
	}
	c.form = r.Form
	if c.key = r.Header.Get("X-PAN-KEY"); c.key == "" {
		c.key = c.form.Get("key")
	}
	c.classify()
	return c
}

// exposed says whether the key stands anywhere but in the header.
func (c *call) exposed() bool {
	if c.key == "" {
		return false
	}
	for _, values := range c.form {
		if slices.ContainsFunc(values, func(v string) bool { return strings.Contains(v, c.key) }) {
			return true
		}
	}
	return false
}

// parseForm fills r.Form from the query and the body; a file that was uploaded without a cmd is the cmd, as the
// vendor's examples with curl send it.
func parseForm(r *http.Request, limit int64) error {
	// pan-python does not quote a boundary that needs it.
	if boundary, ok := strings.CutPrefix(r.Header.Get("Content-Type"), "multipart/form-data; boundary="); ok && !strings.HasPrefix(boundary, `"`) {
		r.Header.Set("Content-Type", `multipart/form-data; boundary="`+boundary+`"`)
	}
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if media != "multipart/form-data" {
		return r.ParseForm()
	}
	// The whole body fits into memory, so no temporary file is made.
	if err := r.ParseMultipartForm(limit); err != nil {
		return err
	}
	if files := r.MultipartForm.File["file"]; len(files) > 0 && r.Form.Get("cmd") == "" {
		file, err := files[0].Open()
		if err != nil {
			return err
		}
		defer file.Close()
		content, err := io.ReadAll(file)
		if err != nil {
			return err
		}
		r.Form.Set("cmd", string(content))
		r.Form.Set("file-name", files[0].Filename)
	}
	return nil
}

// refuse makes a call that is answered at once, without a key.
func (c *call) refuse(a answer.Answer) *call {
	c.free = true
	c.run = func(*Sim, *call) answer.Answer { return a }
	return c
}

// classify chooses the kind and the function that answers. It is the one place where types of call are told apart.
func (c *call) classify() {
	switch c.form.Get("type") {
	case "keygen":
		c.kind, c.run, c.free = KindKeygen, keygen, true
	case "user-id":
		c.kind, c.run = KindUserID, userID
	case "op":
		c.classifyOp()
	case "config":
		c.classifyConfig()
	case "commit":
		c.kind, c.run = KindCommit, requestCommit
	case "import":
		c.kind, c.run = KindImport, importFile
	case "export":
		c.kind, c.run = KindExport, exportFile
	case "log":
		c.kind, c.run = KindLog, locking(func(s *Sim, c *call) answer.Answer { return s.archive.Log(c.form) })
	case "report":
		c.kind, c.run = KindReport, locking(func(s *Sim, c *call) answer.Answer {
			return s.archive.Report(c.form, s.config.Running().Down("shared", "reports"))
		})
	case "version":
		c.run = version
	case "":
		c.run = func(*Sim, *call) answer.Answer { return answer.BadRequest(`Missing value for parameter "type".`) }
	default:
		c.run = func(*Sim, *call) answer.Answer { return answer.BadRequest(`Illegal value for parameter "type".`) }
	}
}
