// Numbers first, then the picture: where a browser cannot draw in 3D the numbers are all there.

function colourOf(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function openStage() {
  try {
    return new Stage(document.getElementById("canvas"), { scene: colourOf("scene"), figure: colourOf("figure") });
  } catch (error) {
    console.warn(String(error));
    return null;
  }
}

function viewTools(looking) {
  const buttons = Object.keys(SIDES).map((side) => make("button", {
    type: "button", title: words[`from_${side}`], "aria-label": words[`from_${side}`], text: letter(side), "data-side": side, onclick: () => looking.from(side),
  }));
  const fit = make("button", { type: "button", title: words.fit_long, text: words.fit, onclick: () => looking.fit() });
  document.getElementById("view-tools").append(...buttons, fit);
}

// The looks of everything by id; which parts of which plan stand in for the organ is part of it.
function handsOn(stage, looks) {
  let tree = null;
  const hands = {
    look(id, change) {
      Object.assign(looks.get(id), change);
      if (stage) stage.set(id, change);
      tree.follow(looks);
    },
    plan(chosen) {
      for (const plan of twin.plans) {
        for (const id of plan.parts) hands.look(id, { visible: plan.id === chosen });
      }
      const plan = twin.plans.find((one) => one.id === chosen);
      for (const [id, visible] of Object.entries(twin.hidden_by_plans)) {
        hands.look(id, { visible: visible && !(plan && plan.hides.includes(id)) });
      }
      for (const one of twin.plans) for (const mark of one.marks) hands.marks && hands.marks.show(mark.id, one.id === chosen ? mark : null);
    },
    follow(made) { tree = made; tree.follow(looks); },
    marks: null,
  };
  return hands;
}

const MANY = 3; // warnings; more of them are folded, so that the numbers come first

function buildPlans(right, hands) {
  const sections = new Map(twin.plans.map((plan) => [plan.id, buildPlan(plan, plan.id === twin.shown_plan || plan.parts.length === 0)]));
  const choose = (id) => {
    hands.plan(id);
    for (const plan of twin.plans) if (id !== null && plan.parts.length) sections.get(plan.id).open = plan.id === id;
  };
  if (twin.warnings.length) right.append(section(say("warnings", { count: twin.warnings.length }), twin.warnings.length <= MANY, ...paragraphs("warning", twin.warnings)));
  if (twin.plans.length) right.append(buildChooser(twin.shown_plan, choose));
  right.append(...sections.values());
  right.append(...twin.results.map(buildResult));
  right.append(section(words.about, false, ...paragraphs("detail", twin.about)));
}

function main() {
  document.documentElement.lang = twin.language;
  buildHead();
  const stage = twin.meshes.length ? openStage() : null;
  const looks = new Map(twin.tree.flatMap((group) => group.items.map((item) => [item.id, { visible: item.visible, opacity: item.opacity }])));
  const hands = handsOn(stage, looks);
  const [left, right] = [document.getElementById("left"), document.getElementById("right")];
  const treeHolder = section(words.tree, true);
  treeHolder.append(...paragraphs("detail", twin.tree.length ? [words.drafts] : []));
  left.append(treeHolder);
  const note = document.getElementById("view-note");
  let [looking, marks, ruler] = [null, null, null];
  if (stage) {
    for (const group of twin.tree) for (const item of group.items) stage.add(item, twin.meshes[item.mesh]);
    stage.finish();
    const canvas = document.getElementById("canvas");
    canvas.setAttribute("aria-label", words.canvas);
    looking = new Looking(stage, document.getElementById("view"), canvas);
    marks = new Marks(looking, document.getElementById("marks"));
    const sides = new Sides(looking, document.getElementById("sides"));
    new Figure(stage, looking, document.getElementById("figure-letters"));
    stage.after.push(() => { sides.draw(); drawScale(looking); marks.draw(); });
    ruler = new Ruler(looking, marks, note);
    viewTools(looking);
    left.append(new CutPlane(stage).build());
  } else {
    document.getElementById("view").classList.add("without");
    note.textContent = twin.meshes.length ? words.no_webgl : words.no_surfaces;
  }
  hands.marks = marks;
  hands.follow(new Tree(treeHolder, hands));
  buildMeasurements(left, marks, ruler);
  buildPlans(right, hands);
  if (stage) {
    hands.plan(twin.shown_plan);
    looking.from("A");
  }
  document.documentElement.dataset.ready = stage ? "drawn" : "numbers";
}

main();
