// Package answer is what goes back to a client of the XML API: status, content type and body, in the shapes that clients
// have recorded from real devices, success as well as each kind of refusal; and Request, an operational command as it is
// handed to what answers it.
//
// It does not decide anything, and knows no command.
package answer
