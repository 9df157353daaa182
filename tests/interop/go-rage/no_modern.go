// In the place of modern.go, where libocr has no package ragep2pnew.

package main

import "fmt"

const hasModern = false

func newModern(setUp) (running, error) {
	return nil, fmt.Errorf("this libocr has no ragep2pnew")
}
