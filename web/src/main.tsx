import { render } from "preact";
import { followLinks } from "./address";
import { App } from "./App";
import "./style.css";

const root = document.getElementById("app");
if (root) {
  root.replaceChildren();
  followLinks();
  render(<App />, root);
}
