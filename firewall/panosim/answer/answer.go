package answer

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"net/http"
	"strings"

	"activedefense/firewall/panosim/xmltree"
)

// ContentType is what the firewall sends with every answer of the XML API.
const ContentType = "application/xml; charset=UTF-8"

// Answer is what goes back to the client.
type Answer struct {
	Status      int
	ContentType string
	Body        []byte
	File        string // the name of the file that it is; "": it is none
}

// Request is an operational command, and who asks.
type Request struct {
	Admin   string           // to whom the key belongs
	Key     string           // with which it was asked
	VSys    string           // the parameter of that name; "" if there is none
	Command *xmltree.Element // the whole of it
	At      *xmltree.Element // its part that is not told apart yet, as <all> of <show><jobs><all>
}

// XML is an answer with a body as it is given, and the HTTP status.
func XML(status int, body string) Answer {
	return Answer{Status: status, ContentType: ContentType, Body: []byte(body)}
}

// Success wraps the content of result.
func Success(result string) Answer {
	return XML(http.StatusOK, `<response status="success">`+result+`</response>`)
}

// Failure is an error with one line of text; code 0 leaves the attribute out.
func Failure(code int, text string) Answer {
	var attribute string
	if code != 0 {
		attribute = fmt.Sprintf(` code="%d"`, code)
	}
	return XML(http.StatusOK, `<response status="error"`+attribute+`><msg><line>`+Escape(text)+`</line></msg></response>`)
}

// Forbidden is the refusal of the web server in front: an HTTP error, and attributes in single quotes with
// spaces around the equals sign, as recorded from devices.
func Forbidden(text string) Answer { return gate(http.StatusForbidden, text) }

// BadRequest is the web server's answer to a parameter that is missing or unknown.
func BadRequest(text string) Answer { return gate(http.StatusBadRequest, text) }

func gate(status int, text string) Answer {
	return XML(status, fmt.Sprintf("<response status = 'error' code = '%d'><result><msg>%s</msg></result></response>", status, Escape(text)))
}

// Unauthorized is the other refusal known for a role that lacks a right: neither success nor error.
func Unauthorized() Answer {
	return XML(http.StatusOK, `<response status="unauth" code="16"><msg><line>Unauthorized request</line></msg></response>`)
}

// Unexpected refuses a command that the parser of the firewall does not know.
func Unexpected(command *xmltree.Element) Answer {
	var path []string
	for e := command; e != nil; {
		path = append(path, e.Name)
		if len(e.Children) == 0 {
			break
		}
		e = e.Children[0]
	}
	return Failure(17, strings.Join(path, " -> ")+" is unexpected")
}

// InvalidVSys is the refusal of a virtual system that is not there.
func InvalidVSys(name string) Answer { return Failure(17, name+" is invalid vsys") }

// Page is an HTML page of the web server or of a proxy before it.
func Page(status int) Answer {
	text := fmt.Sprintf("%d %s", status, http.StatusText(status))
	return Answer{Status: status, ContentType: "text/html", Body: []byte("<html>\r\n<head><title>" + text + "</title></head>\r\n<body>\r\n<center><h1>" + text + "</h1></center>\r\n<hr><br>\r\n</body>\r\n</html>\r\n")}
}

// Escape makes text fit for an element or a quoted attribute.
func Escape(text string) string {
	var b bytes.Buffer
	// Writing to a bytes.Buffer cannot fail.
	_ = xml.EscapeText(&b, []byte(text))
	return b.String()
}

// Field is one element with its text.
type Field struct{ Name, Value string }

// WriteFields appends the elements.
func WriteFields(b *strings.Builder, fields []Field) {
	for _, f := range fields {
		fmt.Fprintf(b, "<%s>%s</%[1]s>", f.Name, Escape(f.Value))
	}
}

// WriteMembers writes a list of members; an empty one is left out.
func WriteMembers(b *strings.Builder, name string, members []string) {
	if len(members) == 0 {
		return
	}
	b.WriteString("<" + name + ">")
	for _, m := range members {
		b.WriteString("<member>" + Escape(m) + "</member>")
	}
	b.WriteString("</" + name + ">")
}
