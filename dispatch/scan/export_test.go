package scan

import "bytes"

// Read reads a reply as it comes over the wire.
func Read(reply []byte) (Verdict, error) {
	text, err := receive(bytes.NewReader(reply))
	if err != nil {
		return Verdict{}, err
	}
	return read(text)
}
