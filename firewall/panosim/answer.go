package panosim

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"net/http"
	"strings"

	"activedefense/firewall/panosim/xmltree"
)

// contentType is what the firewall sends with every answer of the XML API.
const contentType = "application/xml; charset=UTF-8"

// answer is what goes back to the client.
type answer struct {
	status      int
	contentType string
	body        []byte
}

func xmlAnswer(status int, body string) answer {
	return answer{status: status, contentType: contentType, body: []byte(body)}
}

// success wraps the content of result.
func success(result string) answer {
	return xmlAnswer(http.StatusOK, `<response status="success">`+result+`</response>`)
}

// failure is an error with one line of text; code 0 leaves the attribute out.
func failure(code int, text string) answer {
	var attribute string
	if code != 0 {
		attribute = fmt.Sprintf(` code="%d"`, code)
	}
	return xmlAnswer(http.StatusOK, `<response status="error"`+attribute+`><msg><line>`+escape(text)+`</line></msg></response>`)
}

// forbidden is the refusal of the web server in front: an HTTP error, and attributes in single quotes with
// spaces around the equals sign, as recorded from devices.
func forbidden(text string) answer { return gate(http.StatusForbidden, text) }

// badRequest is the web server's answer to a parameter that is missing or unknown.
func badRequest(text string) answer { return gate(http.StatusBadRequest, text) }

func gate(status int, text string) answer {
	return xmlAnswer(status, fmt.Sprintf("<response status = 'error' code = '%d'><result><msg>%s</msg></result></response>", status, escape(text)))
}

// unauthorized is the other refusal known for a role that lacks a right: neither success nor error.
func unauthorized() answer {
	return xmlAnswer(http.StatusOK, `<response status="unauth" code="16"><msg><line>Unauthorized request</line></msg></response>`)
}

// unexpected refuses a command that the parser of the firewall does not know.
func unexpected(command *xmltree.Element) answer {
	var path []string
	for e := command; e != nil; {
		path = append(path, e.Name)
		if len(e.Children) == 0 {
			break
		}
		e = e.Children[0]
	}
	return failure(17, strings.Join(path, " -> ")+" is unexpected")
}

// invalidVSys is the refusal of a virtual system that is not there.
func invalidVSys(name string) answer { return failure(17, name+" is invalid vsys") }

// page is an HTML page of the web server or of a proxy before it.
func page(status int) answer {
	text := fmt.Sprintf("%d %s", status, http.StatusText(status))
	return answer{status: status, contentType: "text/html", body: []byte("<html>\r\n<head><title>" + text + "</title></head>\r\n<body>\r\n<center><h1>" + text + "</h1></center>\r\n<hr><br>\r\n</body>\r\n</html>\r\n")}
}

// escape makes text fit for an element or a quoted attribute.
func escape(text string) string {
	var b bytes.Buffer
	// Writing to a bytes.Buffer cannot fail.
	_ = xml.EscapeText(&b, []byte(text))
	return b.String()
}

// field is one element with its text.
type field struct{ name, value string }

// writeFields appends the elements.
func writeFields(b *strings.Builder, fields []field) {
	for _, f := range fields {
		fmt.Fprintf(b, "<%s>%s</%[1]s>", f.name, escape(f.value))
	}
}

// writeMembers writes a list of members; an empty one is left out.
func writeMembers(b *strings.Builder, name string, members []string) {
	if len(members) == 0 {
		return
	}
	b.WriteString("<" + name + ">")
	for _, m := range members {
		b.WriteString("<member>" + escape(m) + "</member>")
	}
	b.WriteString("</" + name + ">")
}
