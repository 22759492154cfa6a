import { render } from "preact";
import { followLinks, locateLinks } from "./address";
import { App } from "./App";
import "./style.css";
import "./report.css";

const root = document.getElementById("app");
if (root) {
  root.replaceChildren();
  locateLinks();
  followLinks();
  render(<App />, root);
}
